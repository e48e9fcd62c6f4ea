/* SPDX-License-Identifier: Apache-2.0 */
/* Whose name an address has, from objects of a real API server and from bent ones. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <stdbool.h>

#include "base/buf.h"
#include "capture/name_table.h"

/* Reads a recording's body. Return: owned by the caller. */
static json_t *recorded(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/kubernetes-api/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("no recording %s", path);
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    json_t *json = json_loads(strstr(text, "<\n{") + 2, 0, NULL);
    assert_non_null(json);
    free(text);
    return json;
}

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);

    if (!json)
        fail_msg("no JSON: %s", text);
    return json;
}

typedef void take_fn(struct name_table *table, const json_t *object);

static void take(struct name_table *table, take_fn *function, const char *text)
{
    json_t *object = parse(text);

    function(table, object);
    json_decref(object);
}

static void take_list(struct name_table *table, take_fn *function, const char *recording)
{
    json_t *list = recorded(recording), *object;
    size_t i;

    json_array_foreach(json_object_get(list, "items"), i, object)
    {
        function(table, object);
    }
    json_decref(list);
}

/* What is new since @cursor has to be these lines, "10.0.0.1 name\n", fetched @most at a time. */
static void expect_since(const struct name_table *table, uint64_t *cursor, size_t most,
                         const char *lines)
{
    struct capture_address addresses[8];
    struct buf text;
    size_t count;

    buf_init(&text, 1 << 16);
    do {
        count = name_table_next(table, cursor, addresses, most);
        for (size_t i = 0; i < count; i++) {
            char words[INET6_ADDRSTRLEN];

            inet_ntop(addresses[i].v6 ? AF_INET6 : AF_INET, addresses[i].bytes, words,
                      sizeof(words));
            assert_true(buf_printf(&text, "%s %s\n", words, addresses[i].names[0]));
            assert_null(addresses[i].names[1]);
        }
    } while (count == most);
    assert_string_equal(buf_string(&text), lines);
    assert_int_equal(*cursor, name_table_last(table));
    buf_free(&text);
}

static void expect(const struct name_table *table, const char *lines)
{
    for (size_t most = 1; most <= 8; most++) {
        uint64_t cursor = 0;

        expect_since(table, &cursor, most, lines);
    }
}

#define POD(name, phase, spec, addresses)                                                          \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"shop\"},\"spec\":{" spec                 \
    "},\"status\":{\"phase\":\"" phase "\"," addresses "}}"
#define IPS(first, second)                                                                         \
    "\"podIP\":\"" first "\",\"podIPs\":[{\"ip\":\"" first "\"},{\"ip\":\"" second "\"}]"
#define IP(address) "\"podIP\":\"" address "\",\"podIPs\":[{\"ip\":\"" address "\"}]"

/* ---- recorded ---- */

static void test_recorded(void **state)
{
    struct name_table *table = name_table_new();

    (void)state;
    take_list(table, name_table_service, "services-list-all.http");
    take_list(table, name_table_node, "nodes-list.http");
    take_list(table, name_table_pod, "pods-list-page.http");
    expect(table, "10.96.0.1 kubernetes.default.svc\n"
                  "10.96.213.82 shop.default.svc\n"
                  "10.88.0.1 node1\n"
                  "10.88.0.2 node2\n"
                  "10.89.0.3 client.default\n");
    name_table_free(table);
}

static void test_recorded_endpoints(void **state)
{
    struct name_table *table = name_table_new();
    json_t *slices = recorded("endpointslices-list.http");

    (void)state;
    name_table_api_server(table, json_array_get(json_object_get(slices, "items"), 0));
    expect(table, "10.244.1.6 kube-apiserver\n"
                  "10.244.2.6 kube-apiserver\n"
                  "10.244.2.10 kube-apiserver\n");
    json_decref(slices);
    name_table_free(table);
}

/* ---- kinds ---- */

static void test_dual_stack(void **state)
{
    struct name_table *table = name_table_new();

    (void)state;
    take(table, name_table_pod, POD("web", "Running", "", IPS("10.1.0.1", "fd00::a:1")));
    take(table, name_table_service,
         "{\"metadata\":{\"name\":\"db\",\"namespace\":\"data\"},\"spec\":{\"clusterIP\":"
         "\"10.96.0.9\",\"clusterIPs\":[\"10.96.0.9\",\"fd00:96::9\"],\"externalIPs\":"
         "[\"192.0.2.80\"]},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"198.51.100.7\"},"
         "{\"hostname\":\"lb.example\"}]}}}");
    take(table, name_table_service,
         "{\"metadata\":{\"name\":\"headless\",\"namespace\":\"data\"},\"spec\":{\"clusterIP\":"
         "\"None\",\"clusterIPs\":[\"None\"]}}");
    take(table, name_table_service,
         "{\"metadata\":{\"name\":\"other\",\"namespace\":\"data\"},\"spec\":{\"type\":"
         "\"ExternalName\",\"externalName\":\"192.0.2.9\"}}");
    take(table, name_table_node,
         "{\"metadata\":{\"name\":\"node1\"},\"status\":{\"addresses\":["
         "{\"type\":\"InternalIP\",\"address\":\"172.18.0.2\"},"
         "{\"type\":\"InternalIP\",\"address\":\"fc00::2\"},"
         "{\"type\":\"ExternalIP\",\"address\":\"203.0.113.2\"},"
         "{\"type\":\"Hostname\",\"address\":\"192.0.2.1\"}]}}");
    take(table, name_table_api_server,
         "{\"endpoints\":[{\"addresses\":[\"172.18.0.2\",\"172.18.0.9\"]}]}");
    expect(table, "10.1.0.1 web.shop\n"
                  "fd00::a:1 web.shop\n"
                  "10.96.0.9 db.data.svc\n"
                  "fd00:96::9 db.data.svc\n"
                  "192.0.2.80 db.data.svc\n"
                  "198.51.100.7 db.data.svc\n"
                  "172.18.0.2 node1\n"
                  "fc00::2 node1\n"
                  "203.0.113.2 node1\n"
                  "172.18.0.9 kube-apiserver\n");
    name_table_free(table);
}

static void test_host_network(void **state)
{
    struct name_table *table = name_table_new();

    (void)state;
    take(table, name_table_pod,
         POD("proxy", "Running", "\"hostNetwork\":true", IPS("172.18.0.2", "fc00::2")));
    expect(table, "");
    name_table_free(table);
}

/* ---- one address, several that claim it ---- */

static void test_finished_pods(void **state)
{
    struct name_table *table = name_table_new();

    (void)state;
    take(table, name_table_pod, POD("job-1", "Succeeded", "", IP("10.1.0.1")));
    take(table, name_table_pod, POD("web-1", "Running", "", IP("10.1.0.1")));
    take(table, name_table_pod, POD("job-2", "Failed", "", IP("10.1.0.1")));
    take(table, name_table_pod, POD("job-3", "Failed", "", IP("10.1.0.3")));
    expect(table, "10.1.0.1 web-1.shop\n"
                  "10.1.0.3 job-3.shop\n");
    name_table_free(table);
}

/* Also after it was live itself: it is told of again while it goes. */
static void test_address_in_use_again(void **state)
{
    struct name_table *table = name_table_new();
    uint64_t cursor = 0;

    (void)state;
    take(table, name_table_pod, POD("old", "Running", "", IP("10.1.0.1")));
    expect_since(table, &cursor, 2, "10.1.0.1 old.shop\n");
    take(table, name_table_pod, POD("old", "Failed", "", IP("10.1.0.1")));
    expect_since(table, &cursor, 2, "");
    take(table, name_table_pod, POD("new", "Running", "", IP("10.1.0.1")));
    expect_since(table, &cursor, 2, "10.1.0.1 new.shop\n");
    take(table, name_table_pod, POD("old", "Failed", "", IP("10.1.0.1")));
    take(table, name_table_pod,
         "{\"metadata\":{\"name\":\"old\",\"namespace\":\"shop\",\"deletionTimestamp\":\"x\"},"
         "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.1.0.1\"}}");
    expect_since(table, &cursor, 2, "");
    expect(table, "10.1.0.1 new.shop\n");
    name_table_free(table);
}

static void test_node_before_service(void **state)
{
    struct name_table *table = name_table_new();
    const char *node = "{\"metadata\":{\"name\":\"node1\"},\"status\":{\"addresses\":["
                       "{\"type\":\"InternalIP\",\"address\":\"172.18.0.2\"}]}}";
    const char *service = "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"},\"status\":"
                          "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"172.18.0.2\"}]}}}";

    (void)state;
    take(table, name_table_service, service);
    expect(table, "172.18.0.2 web.shop.svc\n");
    take(table, name_table_node, node);
    take(table, name_table_service, service);
    expect(table, "172.18.0.2 node1\n");
    name_table_free(table);
}

/* ---- what is new ---- */

static void test_news(void **state)
{
    struct name_table *table = name_table_new();
    uint64_t cursor = 0;

    (void)state;
    expect_since(table, &cursor, 1, "");
    take(table, name_table_pod, POD("a", "Running", "", IP("10.1.0.1")));
    take(table, name_table_pod, POD("b", "Running", "", IP("10.1.0.2")));
    take(table, name_table_pod, POD("c", "Running", "", IP("10.1.0.3")));
    expect_since(table, &cursor, 1, "10.1.0.1 a.shop\n10.1.0.2 b.shop\n10.1.0.3 c.shop\n");
    take(table, name_table_pod, POD("b", "Running", "", IP("10.1.0.2")));
    expect_since(table, &cursor, 1, "");
    take(table, name_table_pod, POD("d", "Running", "", IP("10.1.0.1")));
    take(table, name_table_pod, POD("e", "Running", "", IP("10.1.0.5")));
    expect_since(table, &cursor, 1, "10.1.0.1 d.shop\n10.1.0.5 e.shop\n");
    expect(table, "10.1.0.2 b.shop\n10.1.0.3 c.shop\n10.1.0.1 d.shop\n10.1.0.5 e.shop\n");
    name_table_free(table);
}

/* ---- bent ---- */

static void test_bent_objects(void **state)
{
    static const char *const objects[] = {
        "{}",
        "[]",
        "{\"metadata\":5,\"spec\":[],\"status\":\"x\"}",
        "{\"metadata\":{\"name\":{}},\"status\":{\"podIP\":\"10.1.0.1\"}}",
        "{\"metadata\":{\"name\":\"\"},\"status\":{\"podIP\":\"10.1.0.1\"}}",
        "{\"metadata\":{\"name\":\"a\"},\"status\":{\"podIP\":[],\"podIPs\":[5,{\"ip\":null}]}}",
        "{\"metadata\":{\"name\":\"a\"},\"status\":{\"podIP\":\"10.1.0.1/24\"}}",
        "{\"metadata\":{\"name\":\"a\"},\"status\":{\"podIP\":\"\",\"podIPs\":[\"10.1.0.1\"]}}",
        "{\"metadata\":{\"name\":\"a\"},\"status\":{\"addresses\":[5,{\"type\":7}]},"
        "\"endpoints\":[5,{\"addresses\":[[],\"x\"]}]}",
        /* What means something else on every machine. */
        "{\"metadata\":{\"name\":\"a\"},\"status\":{\"podIP\":\"127.0.0.1\",\"podIPs\":["
        "{\"ip\":\"0.0.0.0\"},{\"ip\":\"224.0.0.1\"},{\"ip\":\"255.255.255.255\"},"
        "{\"ip\":\"169.254.1.1\"},{\"ip\":\"::1\"},{\"ip\":\"::\"},{\"ip\":\"fe80::1\"},"
        "{\"ip\":\"ff02::1\"}]}}",
    };
    struct name_table *table = name_table_new();

    (void)state;
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        take(table, name_table_pod, objects[i]);
        take(table, name_table_service, objects[i]);
        take(table, name_table_node, objects[i]);
        take(table, name_table_api_server, objects[i]);
    }
    expect(table, "");
    name_table_free(table);
}

/* Names go to terminals and into files. */
static void test_bent_names(void **state)
{
    char pod[2000], name[1200] = "";
    struct capture_address address;
    uint64_t cursor = 0;
    struct name_table *table = name_table_new();

    (void)state;
    take(table, name_table_pod, POD("w\\u001b[31m\\u00e4\\u202e", "Running", "", IP("10.1.0.1")));
    expect(table, "10.1.0.1 w\\x1b[31m\xc3\xa4\\u{202e}.shop\n");
    for (size_t i = 0; i < 400; i++)
        strcat(name, "\xc3\xa4");
    snprintf(pod, sizeof(pod),
             "{\"metadata\":{\"name\":\"%s\"},\"status\":{\"podIP\":\"10.1.0.2\"}}", name);
    cursor = name_table_last(table);
    take(table, name_table_pod, pod);
    assert_int_equal(name_table_next(table, &cursor, &address, 1), 1);
    assert_int_equal(strlen(address.names[0]), 254); /* whole characters */
    assert_memory_equal(address.names[0], name, 254);
    name_table_free(table);
}

static void test_too_many(void **state)
{
    struct name_table *table = name_table_new();
    struct capture_address addresses[64];
    uint64_t cursor = 0;
    size_t count = 0, got;

    (void)state;
    for (unsigned i = 0; i < NAME_TABLE_MAX + 10; i++) {
        char pod[128];

        snprintf(pod, sizeof(pod), POD("a", "Running", "", "\"podIP\":\"10.%u.%u.%u\""), i >> 16,
                 i >> 8 & 255, i & 255);
        assert_false(i < NAME_TABLE_MAX && name_table_full(table));
        take(table, name_table_pod, pod);
    }
    assert_true(name_table_full(table));
    do {
        got = name_table_next(table, &cursor, addresses, 64);
        count += got;
    } while (got == 64);
    assert_int_equal(count, NAME_TABLE_MAX);
    name_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_recorded_endpoints),
        cmocka_unit_test(test_dual_stack),
        cmocka_unit_test(test_host_network),
        cmocka_unit_test(test_finished_pods),
        cmocka_unit_test(test_address_in_use_again),
        cmocka_unit_test(test_node_before_service),
        cmocka_unit_test(test_news),
        cmocka_unit_test(test_bent_objects),
        cmocka_unit_test(test_bent_names),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
