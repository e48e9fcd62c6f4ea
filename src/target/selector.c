/* SPDX-License-Identifier: Apache-2.0 */
#include "target/selector.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "kube/name.h"

#define LABEL_MAX 63 /* bytes of a label's name, and of its value */

/* ---- reading ---- */

/* A name or a value: letters, digits, and "-_." between them. */
static bool is_label_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool alnum = isalnum((unsigned char)text[i]);
        bool inside = i > 0 && i + 1 < length;

        if (!alnum && !(inside && strchr("-_.", text[i])))
            return false;
    }
    return length <= LABEL_MAX;
}

/* "app", "app.kubernetes.io/name" */
static bool is_key(const char *text, size_t length)
{
    const char *slash = memchr(text, '/', length);
    char prefix[KUBE_NAME_MAX + 1];

    if (!slash)
        return length > 0 && is_label_text(text, length);
    size_t before = (size_t)(slash - text), behind = length - before - 1;
    if (before >= sizeof(prefix))
        return false;
    memcpy(prefix, text, before);
    prefix[before] = '\0';
    return kube_name_is_subdomain(prefix) && behind > 0 && is_label_text(slash + 1, behind);
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && isspace((unsigned char)**text)) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && isspace((unsigned char)(*text)[*length - 1]))
        (*length)--;
}

/* "(a, b)" */
static bool is_list(const char *text, size_t length)
{
    if (length < 2 || text[0] != '(' || text[length - 1] != ')')
        return false;
    for (const char *at = text + 1, *end = text + length - 1; at <= end;) {
        const char *value = at;
        size_t size = 0;

        while (at + size < end && at[size] != ',')
            size++;
        at += size + 1;
        trim(&value, &size);
        if (!is_label_text(value, size))
            return false;
    }
    return true;
}

/* Is there an operator of that word between the key and what follows? */
static const char *find_word(const char *text, size_t length, const char *word)
{
    size_t size = strlen(word);

    for (size_t i = 1; i + size < length; i++)
        if (isspace((unsigned char)text[i - 1]) && memcmp(text + i, word, size) == 0 &&
            (isspace((unsigned char)text[i + size]) || text[i + size] == '('))
            return text + i;
    return NULL;
}

static bool is_set_based(const char *text, size_t length, const char *word)
{
    const char *found = find_word(text, length, word);

    if (!found)
        return false;
    size_t before = (size_t)(found - text);
    const char *list = found + strlen(word);
    size_t behind = length - before - strlen(word);
    trim(&text, &before);
    trim(&list, &behind);
    return is_key(text, before) && is_list(list, behind);
}

static bool is_number(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isdigit((unsigned char)text[i]))
            return false;
    return length > 0;
}

/* "key=value", "key!=value", "key>1" */
static bool is_comparison(const char *text, size_t length)
{
    size_t key = 0;

    while (key < length && !strchr("=!<>", text[key]))
        key++;
    if (key == length)
        return false;
    char relation = text[key];
    size_t size = key + 1 < length && text[key + 1] == '=' && strchr("=!", relation) ? 2 : 1;
    const char *value = text + key + size;
    size_t rest = length - key - size;

    if (relation == '!' && size == 1)
        return false;
    trim(&text, &key);
    trim(&value, &rest);
    return is_key(text, key) &&
           (strchr("<>", relation) ? is_number(value, rest) : is_label_text(value, rest));
}

static bool is_requirement(const char *text, size_t length)
{
    const char *key = text;
    size_t size = length;

    if (is_comparison(text, length) || is_set_based(text, length, "in") ||
        is_set_based(text, length, "notin"))
        return true;
    if (size > 0 && *key == '!') {
        key++;
        size--;
        trim(&key, &size);
    }
    return is_key(key, size);
}

/* Up to the next comma that stands outside of parentheses. */
static size_t requirement_length(const char *text)
{
    size_t length = 0, depth = 0;

    for (; text[length] && (text[length] != ',' || depth > 0); length++) {
        if (text[length] == '(')
            depth++;
        if (text[length] == ')' && depth > 0)
            depth--;
    }
    return length;
}

const char *selector_fault(const char *text, size_t *ret_length)
{
    for (;;) {
        size_t whole = requirement_length(text), length = whole;
        const char *requirement = text;

        trim(&requirement, &length);
        *ret_length = length;
        if (!is_requirement(requirement, length))
            return requirement;
        if (!text[whole])
            return NULL;
        text += whole + 1;
    }
}

bool selector_is_bare_key(const char *text)
{
    return is_key(text, strlen(text));
}

bool selector_label(const char *text, size_t *at, const char **ret_key, size_t *ret_key_length,
                    const char **ret_value, size_t *ret_value_length)
{
    while (text[*at]) {
        const char *requirement = text + *at;
        size_t length = requirement_length(requirement);
        const char *equals = memchr(requirement, '=', length);

        *at += length + (requirement[length] == ',');
        if (!equals || equals == requirement || equals[-1] == '!' ||
            memchr(requirement, '(', length))
            continue;
        const char *value = equals[1] == '=' ? equals + 2 : equals + 1;

        *ret_key = requirement;
        *ret_key_length = (size_t)(equals - requirement);
        *ret_value = value;
        *ret_value_length = length - (size_t)(value - requirement);
        trim(ret_key, ret_key_length);
        trim(ret_value, ret_value_length);
        return true;
    }
    return false;
}

/* ---- writing ---- */

static bool add_label(struct buf *out, const char *key, const json_t *value)
{
    const char *text = json_string_value(value);

    return text && is_key(key, strlen(key)) && is_label_text(text, strlen(text)) &&
           buf_printf(out, "%s%s=%s", out->length ? "," : "", key, text);
}

static bool add_labels(struct buf *out, const json_t *labels)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)labels, key, value)
    {
        if (!add_label(out, key, value))
            return false;
    }
    return true;
}

static bool add_values(struct buf *out, const json_t *values)
{
    size_t i;
    json_t *value;

    json_array_foreach(values, i, value)
    {
        const char *text = json_string_value(value);

        if (!text || !is_label_text(text, strlen(text)) ||
            !buf_printf(out, "%s%s", i ? "," : "", text))
            return false;
    }
    return i > 0;
}

static bool add_expression(struct buf *out, const json_t *expression)
{
    const char *key = json_string_value(json_object_get(expression, "key"));
    const char *relation = json_string_value(json_object_get(expression, "operator"));
    const json_t *values = json_object_get(expression, "values");
    const char *comma = out->length ? "," : "";

    if (!key || !relation || !is_key(key, strlen(key)))
        return false;
    if (strcmp(relation, "Exists") == 0)
        return buf_printf(out, "%s%s", comma, key);
    if (strcmp(relation, "DoesNotExist") == 0)
        return buf_printf(out, "%s!%s", comma, key);
    bool in = strcmp(relation, "In") == 0;
    if (!in && strcmp(relation, "NotIn") != 0)
        return false;
    return buf_printf(out, "%s%s %s (", comma, key, in ? "in" : "notin") &&
           add_values(out, values) && buf_printf(out, ")");
}

static bool add_expressions(struct buf *out, const json_t *expressions)
{
    size_t i;
    json_t *expression;

    json_array_foreach(expressions, i, expression)
    {
        if (!add_expression(out, expression))
            return false;
    }
    return true;
}

char *selector_of_object(const json_t *selector)
{
    const json_t *labels = json_object_get(selector, "matchLabels");
    const json_t *expressions = json_object_get(selector, "matchExpressions");
    bool plain = !json_is_object(labels) && !json_is_array(expressions);
    cleanup_buf struct buf out;

    buf_init(&out, SELECTOR_MAX);
    if (!add_labels(&out, plain ? selector : labels) || !add_expressions(&out, expressions) ||
        out.length == 0)
        return NULL;
    return strdup(buf_string(&out));
}
