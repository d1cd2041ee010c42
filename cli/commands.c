/* The table of commands. */
#include "cli/cli.h"

const struct command commands[] = {
        {"migrate", cmd_migrate, "[--templates DIR]",
                "Brings the database to this program's schema, state table and templates.",
                "  obpipe migrate\n"
                "  obpipe migrate --templates ./my-templates\n",
                true},
        {"topics", cmd_topics, "",
                "Makes the Kafka topics that are missing and verifies those that exist.",
                "  obpipe topics\n"
                "  OBPIPE_EVENT_PARTITIONS=16 obpipe topics\n",
                true},
        {"user", cmd_user, "add NAME | delete NAME | list [--json]",
                "Who may log on to the ingress; `add` reads the password from stdin.",
                "  obpipe user add admin\n"
                "  printf '%s\\n' \"$PASSWORD\" | obpipe user add deployer\n"
                "  obpipe user list\n",
                true},
        {"config", cmd_config, "[--json | --markdown]",
                "Shows the effective settings; secrets are hidden.", "  obpipe config\n", false},
        {0},
};
