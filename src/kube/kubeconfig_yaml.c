/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_yaml.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"

enum {
    MOST_DEPTH = 64,      /* a kubeconfig has about eight levels */
    MOST_VALUES = 500000, /* after aliases are resolved */
};

struct converter {
    yaml_document_t *document;
    const char *path;
    size_t values;
    bool failed; /* err says why */
    struct error *err;
};

static json_t *convert(struct converter *converter, int index, unsigned depth);

static int fail(struct converter *converter, const yaml_node_t *node, const char *problem)
{
    converter->failed = true;
    return error_set(converter->err, ERROR_CONFIG, "kubeconfig \"%s\" line %zu, column %zu: %s",
                     converter->path, node->start_mark.line + 1, node->start_mark.column + 1,
                     problem);
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static const char *skip_digits(const char *at)
{
    while (isdigit((unsigned char)*at))
        at++;
    return at;
}

/* Is it a decimal number with a fraction or an exponent, and nothing else (no "inf", no hex)? */
static bool looks_like_float(const char *text)
{
    const char *at = text + (*text == '-' || *text == '+');
    const char *whole = at;
    size_t digits;

    at = skip_digits(at);
    digits = (size_t)(at - whole);
    if (*at == '.') {
        const char *fraction = ++at;

        at = skip_digits(at);
        digits += (size_t)(at - fraction);
    }
    if (digits == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        if (!isdigit((unsigned char)*at))
            return false;
        at = skip_digits(at);
    }
    return *at == '\0';
}

/* Return: a number, or NULL when the text is none. */
static json_t *resolve_number(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    char *end;

    if (!isdigit((unsigned char)*digits) && *digits != '.')
        return NULL;
    errno = 0;
    long long integer = strtoll(text, &end, 0);
    if (end != text && *end == '\0' && errno == 0)
        return json_integer(integer);
    if (!looks_like_float(text))
        return NULL;
    double real = strtod(text, NULL);
    return isfinite(real) ? json_real(real) : NULL;
}

/* The types of YAML 1.1 that kubectl's YAML library knows; y and n stay strings. */
static json_t *resolve_plain(const char *text, size_t length)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", "yes", "Yes",
                                        "YES",  "on",   "On",   "ON",  NULL};
    static const char *const falses[] = {"false", "False", "FALSE", "no",  "No",
                                         "NO",    "off",   "Off",   "OFF", NULL};

    if (is_one_of(text, nulls))
        return json_null();
    if (is_one_of(text, trues))
        return json_true();
    if (is_one_of(text, falses))
        return json_false();
    json_t *number = resolve_number(text);
    return number ? number : json_stringn(text, length);
}

static json_t *convert_scalar(struct converter *converter, const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;
    size_t length = node->data.scalar.length;

    if (memchr(text, '\0', length)) {
        fail(converter, node, "a NUL character in a value");
        return NULL;
    }
    json_t *value = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? resolve_plain(text, length)
                                                                       : json_stringn(text, length);
    if (!value)
        fail(converter, node, "a value that is not text");
    return value;
}

static json_t *convert_sequence(struct converter *converter, const yaml_node_t *node,
                                unsigned depth)
{
    json_t *array = json_array();

    for (yaml_node_item_t *item = node->data.sequence.items.start;
         array && item < node->data.sequence.items.top; item++) {
        json_t *value = convert(converter, *item, depth);

        if (!value || json_array_append_new(array, value) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* "<<: *base" (https://yaml.org/type/merge.html): what @object does not have itself. */
static int merge_into(struct converter *converter, json_t *object, int index, unsigned depth)
{
    const yaml_node_t *node = yaml_document_get_node(converter->document, index);
    json_t *source = convert(converter, index, depth);
    int result = 0;

    if (!source)
        return -1;
    if (json_is_object(source)) {
        result = json_object_update_missing(object, source);
    } else if (json_is_array(source)) {
        for (size_t i = 0; result == 0 && i < json_array_size(source); i++)
            result = json_object_update_missing(object, json_array_get(source, i));
    } else {
        result = -1;
    }
    json_decref(source);
    return result < 0 ? fail(converter, node, "a merge key whose value is no map") : 0;
}

static bool is_merge_key(const yaml_node_t *key)
{
    return key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           strcmp((const char *)key->data.scalar.value, "<<") == 0;
}

static int convert_pair(struct converter *converter, json_t *object, const yaml_node_pair_t *pair,
                        unsigned depth)
{
    const yaml_node_t *key = yaml_document_get_node(converter->document, pair->key);

    if (key->type != YAML_SCALAR_NODE ||
        memchr(key->data.scalar.value, '\0', key->data.scalar.length))
        return fail(converter, key, "a key that is not text");
    json_t *value = convert(converter, pair->value, depth);
    if (!value)
        return -1;
    if (json_object_set_new(object, (const char *)key->data.scalar.value, value) < 0)
        return fail(converter, key, "a key that is not text");
    return 0;
}

static json_t *convert_mapping(struct converter *converter, const yaml_node_t *node, unsigned depth)
{
    const yaml_node_pair_t *start = node->data.mapping.pairs.start;
    const yaml_node_pair_t *top = node->data.mapping.pairs.top;
    json_t *object = json_object();
    int result = object ? 0 : -1;

    /* The map's own keys come first, wherever the merge key stands. */
    for (int merging = 0; merging < 2; merging++) {
        for (const yaml_node_pair_t *pair = start; result == 0 && pair < top; pair++) {
            const yaml_node_t *key = yaml_document_get_node(converter->document, pair->key);

            if (is_merge_key(key) != (merging == 1))
                continue;
            result = merging ? merge_into(converter, object, pair->value, depth)
                             : convert_pair(converter, object, pair, depth);
        }
    }
    if (result == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* Return: the value, owned by the caller, or NULL with the error set. */
static json_t *convert(struct converter *converter, int index, unsigned depth)
{
    const yaml_node_t *node = yaml_document_get_node(converter->document, index);

    if (depth >= MOST_DEPTH) {
        fail(converter, node, "nested too deeply");
        return NULL;
    }
    if (++converter->values > MOST_VALUES) {
        fail(converter, node, "too many values");
        return NULL;
    }
    switch (node->type) {
    case YAML_SEQUENCE_NODE:
        return convert_sequence(converter, node, depth + 1);
    case YAML_MAPPING_NODE:
        return convert_mapping(converter, node, depth + 1);
    default:
        return convert_scalar(converter, node);
    }
}

static int parse_failed(const yaml_parser_t *parser, const char *path, struct error *err)
{
    const char *problem = parser->problem ? parser->problem : "not YAML";

    /* The reader, which checks the encoding, knows only the byte. */
    if (parser->error == YAML_READER_ERROR)
        return error_set(err, ERROR_CONFIG, "kubeconfig \"%s\" byte %zu: %s", path,
                         parser->problem_offset + 1, problem);
    return error_set(err, ERROR_CONFIG, "kubeconfig \"%s\" line %zu, column %zu: %s", path,
                     parser->problem_mark.line + 1, parser->problem_mark.column + 1, problem);
}

int kube_yaml_parse(const void *text, size_t length, const char *path, json_t **ret_tree,
                    struct error *err)
{
    yaml_parser_t parser;
    yaml_document_t document;
    json_t *tree;

    if (!yaml_parser_initialize(&parser))
        return error_set(err, ERROR_INTERNAL, "out of memory");
    yaml_parser_set_input_string(&parser, text, length);
    if (!yaml_parser_load(&parser, &document)) {
        parse_failed(&parser, path, err);
        yaml_parser_delete(&parser);
        return -1;
    }
    if (yaml_document_get_root_node(&document)) {
        struct converter converter = {.document = &document, .path = path, .err = err};

        tree = convert(&converter, 1, 0);
        if (!tree && !converter.failed)
            error_set(err, ERROR_INTERNAL, "out of memory");
    } else {
        tree = json_null();
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    if (!tree)
        return -1;
    *ret_tree = tree;
    return 0;
}
