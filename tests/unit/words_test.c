/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "target/words.h"

#define WORDS_MAX 16

/* Splits at spaces. The words live in @text. */
static size_t split(char *text, const char **ret_words)
{
    size_t count = 0;

    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        ret_words[count++] = word;
    return count;
}

/* "namespace|kind|name", a star behind a pattern; one a line, spaces between them. */
static void means(const char *line, bool selecting, const char *expected)
{
    char text[512], described[1024] = "";
    const char *texts[WORDS_MAX];
    struct target_word *words = NULL;
    size_t count = 0;
    struct error err = {0};

    snprintf(text, sizeof(text), "%s", line);
    if (target_words_parse(texts, split(text, texts), selecting, &words, &count, &err) < 0)
        fail_msg("\"%s\": %s", line, err.text);
    for (size_t i = 0, used = 0; i < count; i++)
        used += (size_t)snprintf(described + used, sizeof(described) - used, "%s%s|%s|%s%s",
                                 i ? " " : "", words[i].namespace, words[i].kind->resource,
                                 words[i].name, words[i].is_pattern ? "|*" : "");
    assert_string_equal(described, expected);
    free(words);
}

static void refused(const char *line, bool selecting, const char *text, const char *remedy)
{
    char copy[1024];
    const char *texts[WORDS_MAX];
    struct target_word *words;
    size_t count;
    struct error err = {0};

    snprintf(copy, sizeof(copy), "%s", line);
    if (target_words_parse(texts, split(copy, texts), selecting, &words, &count, &err) == 0)
        fail_msg("\"%s\" is taken", line);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.text, text);
    assert_string_equal(err.remedy, remedy);
}

static void test_pods(void **state)
{
    (void)state;
    means("web", false, "|pods|web");
    means("web api.v2 0", false, "|pods|web |pods|api.v2 |pods|0");
    means("pod/web po/web pods/web Pod/web", false, "|pods|web |pods|web |pods|web |pods|web");
    means("web-* a?b [xy]z", false, "|pods|web-*|* |pods|a?b|* |pods|[xy]z|*");
}

static void test_kinds(void **state)
{
    static const struct {
        const char *resource, *words;
    } kinds[] = {
        {"deployments", "deploy deployment deployments Deployment deployment.apps "
                        "deployments.v1.apps deploy.apps"},
        {"replicasets", "rs replicaset replicasets replicasets.apps"},
        {"statefulsets", "sts statefulset statefulsets StatefulSet"},
        {"daemonsets", "ds daemonset daemonsets"},
        {"jobs", "job jobs jobs.batch job.v1.batch"},
        {"cronjobs", "cj cronjob cronjobs CronJob"},
        {"services", "svc service services"},
        {"nodes", "no node nodes Node"},
        {"pods", "po pod pods"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char text[256], line[300], expected[300];
        const char *words[WORDS_MAX];

        snprintf(text, sizeof(text), "%s", kinds[i].words);
        size_t count = split(text, words);
        for (size_t k = 0; k < count; k++) {
            snprintf(line, sizeof(line), "%s/x1", words[k]);
            snprintf(expected, sizeof(expected), "|%s|x1", kinds[i].resource);
            means(line, false, expected);
            snprintf(line, sizeof(line), "%s x1 x2", words[k]);
            snprintf(expected, sizeof(expected), "|%s|x1 |%s|x2", kinds[i].resource,
                     kinds[i].resource);
            means(line, false, expected);
        }
    }
}

static void test_namespaces(void **state)
{
    (void)state;
    means("shop/web", false, "shop|pods|web");
    means("shop/deploy/web data/svc/db db", false,
          "shop|deployments|web data|services|db |pods|db");
    means("shop/web-*", false, "shop|pods|web-*|*");
    means("shop/pod/web-[0-9]", false, "shop|pods|web-[0-9]|*");
    /* A type comes before a namespace of the same name, which three parts reach. */
    means("svc/web", false, "|services|web");
    means("svc/pod/web", false, "svc|pods|web");
    means("job/job/job", false, "job|jobs|job");
}

static void test_a_type_alone(void **state)
{
    (void)state;
    /* Nothing stands behind it that it could be the type of. */
    means("svc", false, "|pods|svc");
    means("web svc", false, "|pods|web |pods|svc");
    means("pod/svc pod/web", false, "|pods|svc |pods|web");
    means("svc deploy/web", false, "|pods|svc |deployments|web");
    means("pods pod", false, "|pods|pod");
    /* As of kubectl get pods -l app=web. */
    means("pods", true, "");
    means("web", true, "|pods|web");
    refused("deploy", true, "labels and fields choose pods, not a deployment",
            "leave out \"deployment\", or name one: deployment/NAME");
    means("", true, "");
}

static void test_refusals(void **state)
{
    static const char types[] = "types: pod, deploy, rs, sts, ds, job, cronjob, svc, node";
    static const char letters[] = "lower-case letters, digits, dashes and dots";
    char line[400];

    (void)state;
    refused("Web", false, "\"Web\" cannot be the name of a pod", letters);
    refused("deploy/we_b", false, "\"we_b\" cannot be the name of a deployment", letters);
    refused("deploy/", false, "\"\" cannot be the name of a deployment", letters);
    refused("deploy web Web", false, "\"Web\" cannot be the name of a deployment", letters);
    refused("a/b/c/d", false, "\"a/b/c/d\" has a slash too many",
            "POD, TYPE/NAME, NAMESPACE/POD or NAMESPACE/TYPE/NAME");
    refused("shop/dep/web", false, "\"shop/dep/web\": \"dep\" is no type", types);
    refused("deploy/shop/web", false, "\"deploy/shop/web\": \"shop\" is no type",
            "the namespace comes first: shop/deployment/web");
    refused("Shop/web", false, "\"Shop\" is neither a type nor the name of a namespace", types);
    refused("deployment.app/web", false,
            "\"deployment.app\" is neither a type nor the name of a namespace",
            "did you mean \"deployment/\"?");
    refused("/web", false, "\"\" is neither a type nor the name of a namespace", types);
    refused("shop/node/n1", false, "a node is in no namespace", "write node/n1");
    refused("deploy/web-*", false, "\"deployment/web-*\": a pattern is for the names of pods",
            "name the deployment, or its pods by 'web-*'");
    refused("WEB*", false, "\"WEB*\" matches no name of a pod",
            "lower-case letters, digits, dashes and dots, and *, ?, [...]");
    refused("pod web pod/api", false, "\"pod/api\" stands behind the type \"pod\"",
            "either a type before all names, or TYPE/NAME for each");
    memset(line, 'a', sizeof(line));
    line[254] = '\0';
    struct error err = {0};
    struct target_word *words;
    size_t count;
    const char *const text[] = {line};
    assert_int_equal(target_words_parse(text, 1, false, &words, &count, &err), -1);
    line[253] = '\0';
    assert_int_equal(target_words_parse(text, 1, false, &words, &count, &err), 0);
    free(words);
}

static void guessed(const char *word, const char *name)
{
    const struct target_kind *kind = target_kind_guess(word);

    if (!name && kind)
        fail_msg("\"%s\" is taken for a %s", word, kind->name);
    if (name)
        assert_string_equal(kind ? kind->name : "nothing", name);
}

/* Where it may be a namespace as well: "pvc" is no misspelled "svc", nor "prod" a "pod". */
static void test_guesses(void **state)
{
    static const char *const others[] = {"rc",  "ns",  "ing", "ep",   "cm",   "pvc", "hpa",
                                         "pdb", "dev", "s",   "prod", "shop", "",    "kube-system"};

    (void)state;
    guessed("dep", "deployment");
    guessed("Cron", "cronjob");
    guessed("stateful", "statefulset");
    guessed("svcs", "service");
    guessed("deploys", "deployment");
    guessed("deplyo", "deployment");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        guessed(others[i], NULL);
}

static void test_one_pod(void **state)
{
    static const char *const texts[] = {"web", "shop/web", "web-*", "deploy/web"};
    struct target_word *words = NULL;
    size_t count = 0;
    struct error err;

    (void)state;
    assert_int_equal(target_words_parse(texts, 4, false, &words, &count, &err), 0);
    assert_true(target_word_is_one_pod(&words[0]) && target_word_is_one_pod(&words[1]));
    assert_false(target_word_is_one_pod(&words[2]) || target_word_is_one_pod(&words[3]));
    free(words);
}

/* Any bytes: the sanitizers judge. */
static void test_noise(void **state)
{
    static const char letters[] = "abpod/svc.*?[]-! ";

    (void)state;
    srand(5);
    for (int round = 0; round < 20000; round++) {
        char text[40];
        const char *texts[sizeof(text)];
        struct target_word *words = NULL;
        size_t length = (size_t)rand() % sizeof(text), count = 0;
        struct error err = {0};

        for (size_t i = 0; i < length; i++)
            text[i] = rand() % 8 ? letters[(size_t)rand() % (sizeof(letters) - 1)]
                                 : (char)(1 + rand() % 255);
        text[length ? length - 1 : 0] = '\0';
        size_t given = split(text, texts);
        if (target_words_parse(texts, given, rand() % 2, &words, &count, &err) == 0)
            assert_true(count <= given);
        else
            assert_int_equal(err.kind, ERROR_USAGE);
        free(words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pods),       cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_namespaces), cmocka_unit_test(test_a_type_alone),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_one_pod),
        cmocka_unit_test(test_guesses),    cmocka_unit_test(test_noise),
    };

    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
