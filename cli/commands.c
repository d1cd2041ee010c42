/* The table of commands. */
#include <stddef.h>

#include "cli/cli.h"

const struct command commands[] = {
        {"migrate", cmd_migrate, "[--templates DIR]",
                "Brings the database to this program's schema, state table and templates.",
                "  --templates DIR  also loads every DIR/NAME.json\n\n"
                "Goes forward only; safe to run again, and by several at once. A database that a\n"
                "newer release has migrated is left as it is.\n",
                "  obpipe migrate\n"
                "  obpipe migrate --templates ./my-templates\n",
                NEEDS_PG},
        {"topics", cmd_topics, "[--check]",
                "Makes the Kafka topics that are missing and verifies those that exist.",
                "  --check  changes nothing; says what is missing or wrong, exit code 1\n\n"
                "The settings OBPIPE_*_PARTITIONS count when a topic is made, then never again.\n",
                "  obpipe topics\n"
                "  obpipe topics --check\n"
                "  OBPIPE_EVENT_PARTITIONS=16 obpipe topics\n",
                NEEDS_PG | NEEDS_KAFKA},
        {"user", cmd_user, "add NAME\ndelete NAME\nlist [--json]", "Who may log on to the ingress.",
                "`add` reads the password from stdin (8 to 256 bytes); for a user there is, it is\n"
                "the new one. Ingresses know of it within a second.\n",
                "  obpipe user add admin\n"
                "  printf '%s\\n' \"$PASSWORD\" | obpipe user add deployer\n"
                "  obpipe user list\n",
                NEEDS_PG},
        {"inventory", cmd_inventory, "load [--check] FILE\nshow [--json]",
                "Clusters, hosts, packages and credentials that tasks work on.",
                "  --check  looks the file over and loads nothing\n\n"
                "load adds and changes what FILE (\"-\": stdin) names and removes nothing but\n"
                "parameters a named cluster no longer has. One fault anywhere, and nothing of it\n"
                "is loaded. `show --json` prints such a file.\n",
                "  obpipe inventory load --check inventory.json\n"
                "  obpipe inventory load inventory.json\n"
                "  obpipe inventory show --json | jq '.hosts[].address'\n",
                NEEDS_PG},
        {"submit", cmd_submit,
                "batch-add --cluster ID --hosts ID,ID... --version FILE [--sql-port N]\n"
                "          [--exporter-port N] [--watch | --json]\n"
                "FILE --cluster ID [--watch | --json]\n"
                "template NAME [--count N] [--set name=value]... [--watch | --json]",
                "Sends a request to the ingress and prints its tasks.",
                "  --cluster ID, --hosts ID,ID...  the OBProxy cluster, and hosts to add to it\n"
                "  --version FILE        the package's file name\n"
                "  --sql-port N, --exporter-port N  2883 and 2884 unless given\n"
                "  --count N             so many tasks; one unless given\n"
                "  --set name=value      a value for the tasks' context\n"
                "  --watch               follows the tasks, exit codes as those of watch\n\n"
                "FILE (\"-\": stdin) is the body of a batchAdd call.\n",
                "  obpipe submit batch-add --cluster 1 --hosts 2,3 --watch \\\n"
                "      --version obproxy-1.9.1.1-1919579.el7.x86_64.rpm\n"
                "  obpipe submit request.json --cluster 1\n"
                "  obpipe submit template noop-chain --count 3 --set sleep_ms=100 --watch\n",
                NEEDS_HTTP},
        {"tasks", cmd_tasks,
                "[--status LIST] [--name PART] [--type TYPE] [--host ID] [--cluster ID]\n"
                "[--page N] [--size N] [--sort FIELD,asc|desc] [--json]",
                "Lists tasks, newest first.",
                "  --status LIST  of RUNNING, FAILED, SUCCESSFUL, separated by commas\n"
                "  --name PART    those with PART in their name\n"
                "  --sort FIELD,asc|desc  FIELD: id, name, status, startTime, finishTime\n",
                "  obpipe tasks --status RUNNING,FAILED\n"
                "  obpipe tasks --host 2 --size 50 --sort startTime,asc\n"
                "  obpipe tasks --status FAILED --json | jq '.contents[].id'\n",
                NEEDS_HTTP},
        {"task", cmd_task, "ID [--json]", "Shows one task and its subtasks in the order they run.",
                "",
                "  obpipe task 33001\n"
                "  obpipe task 33001 --json | jq .context\n",
                NEEDS_HTTP},
        {"watch", cmd_watch, "ID...",
                "Follows tasks until they end: a live table on a terminal, else a line a change.",
                "Exit codes: 0 all SUCCESSFUL, 1 one FAILED, 2 not known how they go on. An "
                "ingress\n"
                "that is away is waited for, 30 s. NO_COLOR=1 turns the colours off.\n",
                "  obpipe watch 33001 && echo done\n"
                "  obpipe watch 33001 33002 33003\n",
                NEEDS_HTTP},
        {"log", cmd_log, "TASK [SUBTASK] [--json]",
                "Prints what the subtasks of a task wrote, or one of them.", "",
                "  obpipe log 33001\n"
                "  obpipe log 33001 34807\n",
                NEEDS_HTTP},
        {"retry", cmd_retry, "TASK [SUBTASK] [--watch | --json]",
                "Runs the FAILED subtasks of a FAILED task again, or one of them.",
                "  --watch  follows the task, exit codes as those of watch\n",
                "  obpipe retry 33001 --watch\n"
                "  obpipe retry 33001 34807\n",
                NEEDS_HTTP},
        {"events", cmd_events, "[--follow] [--from beginning|end] [--task ID] [--json]",
                "Reads the event topic: every move of every task and subtask, with its reason.",
                "  --follow    waits for more, until Ctrl-C\n"
                "  --from end  only what is new from now on (with --follow)\n"
                "  --task ID   that task's alone\n"
                "  --json      the CloudEvents as they are on the topic, one a line\n",
                "  obpipe events --task 33001\n"
                "  obpipe events --follow --from end\n"
                "  obpipe events --json | jq 'select(.type == \"obpipe.task.created.v1\")'\n",
                NEEDS_KAFKA},
        {"config", cmd_config, "[--json | --markdown]",
                "Shows the effective settings; secrets are hidden.",
                "  --markdown  the table of all settings, as in the README\n",
                "  obpipe config\n"
                "  obpipe config --json | jq -r .OBPIPE_URL\n",
                0},
        {.name = NULL},
};
