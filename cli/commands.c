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
        {"submit", cmd_submit,
                "batch-add OPTIONS | template NAME [--count N] [--set name=value]... | FILE "
                "[--cluster ID]",
                "Sends a request to the ingress and prints its tasks; --watch follows them.",
                "  obpipe submit batch-add --cluster 1 --hosts 2,3 --sql-port 2883 --exporter-port "
                "2884 \\\n"
                "      --version obproxy-1.9.1.1-1919579.el7.x86_64.rpm --watch\n"
                "  obpipe submit request.json --cluster 1\n"
                "  obpipe submit template noop-chain --count 3 --set sleep_ms=100 --watch\n",
                false},
        {"tasks", cmd_tasks,
                "[--status LIST] [--name PART] [--host ID] [--cluster ID] [--page N] [--size N] "
                "[--sort FIELD,asc|desc] [--json]",
                "Lists tasks, newest first.",
                "  obpipe tasks --status RUNNING,FAILED\n"
                "  obpipe tasks --host 2 --size 50 --sort startTime,asc\n",
                false},
        {"task", cmd_task, "ID [--json]", "Shows one task and its subtasks in the order they run.",
                "  obpipe task 33001\n", false},
        {"watch", cmd_watch, "ID",
                "Follows a task until it ends; exit code 0 successful, 1 failed, 2 unknown.",
                "  obpipe watch 33001 && echo done\n", false},
        {"log", cmd_log, "TASK [SUBTASK] [--json]", "Prints what the subtasks wrote.",
                "  obpipe log 33001\n"
                "  obpipe log 33001 34807\n",
                false},
        {"retry", cmd_retry, "TASK [SUBTASK] [--json]",
                "Runs the FAILED subtasks of a FAILED task again, or one of them.",
                "  obpipe retry 33001\n", false},
        {"events", cmd_events, "[--follow | --new] [--task ID] [--json]",
                "Reads the event topic from its beginning; --follow waits for more, --new starts "
                "there.",
                "  obpipe events --task 33001\n"
                "  obpipe events --new --json\n",
                true},
        {0},
};
