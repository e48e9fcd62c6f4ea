/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are written into a kubeconfig, and nothing else of it that changes. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "kube/kubeconfig_edit.h"

static const struct kube_pair pairs[] = {{(char *)"id-token", (char *)"NEW.ID"},
                                         {(char *)"refresh-token", (char *)"NEW \"R\""}};

#define ID      "\"NEW.ID\""
#define REFRESH "\"NEW \\\"R\\\"\""

static void test_edit(void **state)
{
    static const struct {
        const char *before, *after; /* after NULL: it cannot be done */
    } cases[] = {
        /* kubectl's own form, with comments and other users around */
        {"# mine\nusers:\n- name: x\n  user: {}\n- name: u # me\n  user:\n    auth-provider:\n"
         "      config:\n        client-id: k   # the client\n        id-token: old.id\n"
         "        refresh-token: old # secret\n      name: oidc\ncontexts: []\n",
         "# mine\nusers:\n- name: x\n  user: {}\n- name: u # me\n  user:\n    auth-provider:\n"
         "      config:\n        client-id: k   # the client\n        id-token: " ID "\n"
         "        refresh-token: " REFRESH " # secret\n      name: oidc\ncontexts: []\n"},
        /* JSON */
        {"{\"users\": [{\"name\": \"u\", \"user\": {\"auth-provider\": {\"config\": "
         "{\"refresh-token\":\"o\",\"id-token\":\"o\"}}}}]}",
         "{\"users\": [{\"name\": \"u\", \"user\": {\"auth-provider\": {\"config\": "
         "{\"refresh-token\":" REFRESH ",\"id-token\":" ID "}}}}]}"},
        /* keys that are not there yet */
        {"users:\n- name: u\n  user:\n    auth-provider:\n      config:\n        client-id: k\n",
         "users:\n- name: u\n  user:\n    auth-provider:\n      config:\n        "
         "refresh-token: " REFRESH "\n        id-token: " ID "\n        client-id: k\n"},
        {"{\"users\": [{\"name\": \"u\", \"user\": {\"auth-provider\": {\"config\": {\"a\": "
         "1}}}}]}",
         "{\"users\": [{\"name\": \"u\", \"user\": {\"auth-provider\": {\"config\": "
         "{\"refresh-token\": " REFRESH ", \"id-token\": " ID ", \"a\": 1}}}}]}"},
        /* values without text, in several lines, and in quotes; characters of several bytes before
         */
        {"users:\n- name: u\n  user:\n    auth-provider:\n      config:\n        note: "
         "\"\xc3\xa9\xe2\x82\xac"
         "\"\n        id-token:\n        refresh-token: >-\n          a\n          b\n\n        z: "
         "1\n",
         "users:\n- name: u\n  user:\n    auth-provider:\n      config:\n        note: "
         "\"\xc3\xa9\xe2\x82\xac"
         "\"\n        id-token: " ID "\n        refresh-token: " REFRESH "\n\n        z: 1\n"},
        {"\xef\xbb\xbfusers:\r\n- name: u\r\n  user:\r\n    auth-provider:\r\n      config:\r\n"
         "        id-token: 'it''s'\r\n        refresh-token: \"\\u00e9\"\r\n",
         "\xef\xbb\xbfusers:\r\n- name: u\r\n  user:\r\n    auth-provider:\r\n      config:\r\n"
         "        id-token: " ID "\r\n        refresh-token: " REFRESH "\r\n"},
        /* no such user, another provider's config that is empty, an alias to the old value */
        {"users:\n- name: other\n  user: {auth-provider: {config: {a: b}}}\n", NULL},
        {"users:\n- name: u\n  user: {auth-provider: {config: {}}}\n", NULL},
        {"users:\n- name: u\n  user: {auth-provider: {config: {id-token: &t o, refresh-token: "
         "r}}}\n"
         "- name: v\n  user: {token: *t}\n",
         NULL},
        {"users:\n- name: u\n  user: {auth-provider: &p {config: {id-token: o, refresh-token: "
         "r}}}\n"
         "- name: v\n  user: {auth-provider: *p}\n",
         NULL},
        {"users: [\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        char *text =
            kubeconfig_edit(cases[i].before, strlen(cases[i].before), "f", "u", pairs, 2, &err);

        if (!text != !cases[i].after || (text && strcmp(text, cases[i].after) != 0))
            fail_msg("case %zu: %s", i, text ? text : err.text);
        if (!text)
            assert_non_null(strstr(err.text, "\"f\""));
        assert_null(strstr(err.text, "NEW"));
        free(text);
    }
}

static char folder[] = "/tmp/kubeconfig_edit_test.XXXXXX";

#define CONTENT "users: [{name: u, user: {auth-provider: {config: {id-token: o}}}}]\n"

static const char *put(const char *name, mode_t mode)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(CONTENT, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static bool has_new(const char *path)
{
    char text[512] = "";
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    return strstr(text, ID) && strstr(text, REFRESH);
}

/* Mode, owner and links stay; nothing else is left in the folder. */
static void test_store(void **state)
{
    const char *path = put("config", 0640);
    char link[128], lock[160];
    struct stat status;
    bool locked;

    (void)state;
    assert_int_equal(kubeconfig_store(path, "u", pairs, 2, &locked, NULL), 0);
    assert_true(has_new(path));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    snprintf(lock, sizeof(lock), "%s.lock", path);
    assert_int_equal(access(lock, F_OK), -1);

    put("config", 0600);
    snprintf(link, sizeof(link), "%s/link", folder);
    assert_int_equal(symlink("config", link), 0);
    assert_int_equal(kubeconfig_store(link, "u", pairs, 2, &locked, NULL), 0);
    assert_int_equal(lstat(link, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_true(has_new(path));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 54321), 0);
        assert_int_equal(kubeconfig_store(path, "u", pairs, 2, &locked, NULL), 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_uid, 12345);
        assert_int_equal(status.st_gid, 54321);
    }
    unlink(link);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* nothing is left */
    assert_non_null(mkdtemp(strcpy(folder, "/tmp/kubeconfig_edit_test.XXXXXX")));
}

static void test_lock(void **state)
{
    const char *path = put("config", 0600);
    struct error err = {0};
    char lock[160];
    bool locked;

    (void)state;
    snprintf(lock, sizeof(lock), "%s.lock", path);
    close(open(lock, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(kubeconfig_store(path, "u", pairs, 2, &locked, &err), -1);
    assert_true(locked);
    assert_non_null(strstr(err.text, lock));
    assert_false(has_new(path));
    assert_int_equal(access(lock, F_OK), 0); /* it is another's */
    unlink(lock);
    assert_int_equal(kubeconfig_store(path, "nobody", pairs, 2, &locked, &err), -1);
    assert_false(locked);
    assert_int_equal(access(lock, F_OK), -1);
    unlink(path);
    assert_int_equal(kubeconfig_store(path, "u", pairs, 2, &locked, &err), -1);
    assert_int_equal(access(lock, F_OK), -1);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edit),
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_lock),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
