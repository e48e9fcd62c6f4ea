/* SPDX-License-Identifier: Apache-2.0 */
#include "method/helper_recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "method/agent_binary.h"
#include "settings/settings.h"
#include "target/target.h"
#include "common/agent.h"
#include "kube/node.h"
#include "kube/pod.h"

#define DAY_SECONDS   86400
#define SPARE_SECONDS 180          /* that the helper may live longer than --duration */
#define RINGS_MAX     (256u << 20) /* bytes of all rings of a helper, unless the user wants more */
#define RING_LEAST    (4u << 20)

int helper_recipe_new(struct helper_recipe *recipe, const struct settings *settings,
                      const struct target *target, struct error *err)
{
    *recipe = (struct helper_recipe){.settings = settings, .host_network = target->host_network};
    recipe->node_name = strdup(target->node_name);
    recipe->namespace = strdup(helper_namespace_of(settings, target));
    if (recipe->node_name && recipe->namespace)
        return 0;
    helper_recipe_free(recipe);
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

void helper_recipe_free(struct helper_recipe *recipe)
{
    helper_images_free(&recipe->images);
    json_decref(recipe->keeps);
    free(recipe->node_name);
    free(recipe->namespace);
    free(recipe->who);
    *recipe = (struct helper_recipe){.who = NULL};
}

bool helper_recipe_fits(const struct helper_recipe *recipe, const struct target *target)
{
    return recipe->host_network == target->host_network &&
           strcmp(recipe->node_name, target->node_name) == 0 &&
           strcmp(recipe->namespace, helper_namespace_of(recipe->settings, target)) == 0;
}

/* ---- filling it ---- */

static void try_machine(struct helper_recipe *recipe, size_t at)
{
    recipe->machine_at = at;
    snprintf(recipe->machine, sizeof(recipe->machine), "%s", agent_binaries[at].architecture);
}

/* From the node, else from what the pod asks of it, else a guess. */
static void choose_machine(struct helper_recipe *recipe, const struct target *target)
{
    const char *asked =
        target->pod
            ? json_string_value(json_object_get(
                  json_object_get(json_object_get(target->pod->json, "spec"), "nodeSelector"),
                  "kubernetes.io/arch"))
            : NULL;
    const char *known =
        target->node && *target->node->architecture ? target->node->architecture : asked;

    snprintf(recipe->machine, sizeof(recipe->machine), "%s",
             known ? known : agent_binaries[0].architecture);
    recipe->machine_known = known != NULL;
}

int helper_recipe_fill(struct helper_recipe *recipe, const struct target *target, size_t others,
                       struct error *err)
{
    const char *prefix = target->pod ? target->namespace : "node";

    recipe->who = others ? text_format("%s/%s and %zu more", prefix, target->name, others)
                         : text_format("%s/%s", prefix, target->name);
    if (!recipe->who)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    recipe->keeps = json_incref(target->pod ? target->pod->json : NULL);
    helper_images_choose(&recipe->images, target, recipe->settings->image, recipe->namespace);
    choose_machine(recipe, target);
    recipe->disk_uncounted = target->node && !kube_node_counts_disk(target->node);
    return 0;
}

/* ---- reading it ---- */

static const struct helper_image *image_of(const struct helper_recipe *recipe)
{
    return &recipe->images.list[recipe->images.at];
}

uint64_t helper_recipe_ring(const struct helper_recipe *recipe, size_t agents)
{
    uint64_t asked = recipe->settings->buffer_size, share = RINGS_MAX / agents;

    if (asked)
        return asked;
    return share > AGENT_RING_DEFAULT ? AGENT_RING_DEFAULT
           : share > RING_LEAST       ? share
                                      : RING_LEAST;
}

/* Return: seconds that the helper pod may live at most, the pull of its image included. */
static uint64_t deadline_of(const struct settings *settings)
{
    uint64_t start = settings->creation_timeout ? settings->creation_timeout / 1000 : DAY_SECONDS;

    return settings->duration ? settings->duration / 1000 + SPARE_SECONDS + start : DAY_SECONDS;
}

void helper_recipe_read(const struct helper_recipe *recipe, size_t agents, struct helper *helper)
{
    const struct settings *settings = recipe->settings;
    const struct helper_image *image = image_of(recipe);

    *helper = (struct helper){
        .target = recipe->who,
        .node_name = recipe->node_name,
        .image = image->name,
        .pull = image->pull,
        .pull_secrets = image->pull_secrets,
        .service_account = settings->service_account,
        .host_network = recipe->host_network,
        .reads_files = settings->keylog != NULL,
        .disk_uncounted = recipe->disk_uncounted,
        .privilege = recipe->privilege,
        .deadline = deadline_of(settings),
        .creation_timeout = settings->creation_timeout / 1000,
        .ring = helper_recipe_ring(recipe, agents),
        .agents = agents,
        .requests = settings->requests,
        .limits = settings->limits,
    };
}

/* ---- another image ---- */

static int no_image_left(const struct helper_recipe *recipe, struct error *err)
{
    const char *at_last = image_of(recipe)->name;

    if (recipe->images.count > 1)
        error_set(err, ERROR_TARGET,
                  "the helper pod cannot be started on node \"%s\" from any of %zu images, at last "
                  "from \"%s\": %s",
                  recipe->node_name, recipe->images.count, at_last, recipe->why);
    else
        error_set(err, ERROR_TARGET,
                  "the helper pod cannot be started on node \"%s\" from \"%s\": %s",
                  recipe->node_name, at_last, recipe->why);
    return error_remedy(err, "name an image that the node has, or can pull, with --image");
}

static void tell_of_shell(const struct helper_recipe *recipe)
{
    log_warning("the helper pod runs from image '%s', which has a shell%s: until the end of the "
                "capture, who may exec in namespace '%s' can use its rights on node '%s'",
                image_of(recipe)->name,
                recipe->images.count > 1 ? ", as no image without one could be started" : "",
                recipe->namespace, recipe->node_name);
}

int helper_recipe_next_image(struct helper_recipe *recipe, struct error *err)
{
    const struct helper_image *passed = image_of(recipe);

    if (!recipe->machine_known)
        try_machine(recipe, 0);
    if (!helper_images_next(&recipe->images))
        return no_image_left(recipe, err);
    if (recipe->images.second_round)
        tell_of_shell(recipe);
    else if (passed->guess)
        log_debug("image '%s' is not on the node: %s", passed->name, recipe->why);
    else
        log_info("image '%s' cannot be started on node '%s' (%s): trying '%s'", passed->name,
                 recipe->node_name, recipe->why, image_of(recipe)->name);
    return 0;
}

bool helper_recipe_shell(struct helper_recipe *recipe, const char *why)
{
    recipe->images.list[recipe->images.at].shell = true;
    snprintf(recipe->why, sizeof(recipe->why), "%.299s", why);
    if (recipe->images.count > 1)
        return true;
    if (helper_images_next(&recipe->images))
        tell_of_shell(recipe);
    return false;
}

/* ---- another privilege, another machine ---- */

void helper_recipe_next_privilege(struct helper_recipe *recipe, const char *why)
{
    recipe->privilege++;
    if (recipe->privilege == HELPER_PRIVILEGED) /* not even --quiet hides that */
        log_warning("the node does not let the helper pod in (%s): trying again privileged", why);
    else
        log_info("the node does not let the helper pod in (%s): trying again without AppArmor, and "
                 "as SELinux's spc_t",
                 why);
}

bool helper_recipe_other_machine(struct helper_recipe *recipe,
                                 const struct kube_container *container)
{
    if (recipe->machine_known || !container || !container->terminated_reason ||
        !agent_binaries[recipe->machine_at + 1].architecture)
        return false;
    try_machine(recipe, recipe->machine_at + 1);
    log_debug("the agent does not start on node '%s': trying the one for '%s'", recipe->node_name,
              recipe->machine);
    return true;
}
