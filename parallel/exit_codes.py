"""What a run's exit code tells the job that started it.

| code | what happened | what to do |
|---|---|---|
| 0 | complete | nothing |
| 1 | an error, named in one line | mend it, start again |
| 2 | the command line or the configuration is wrong | mend it |
| 75 | saved on a signal or at its time limit | requeue: the same command goes on |
| 76 | stuck, or another process was lost | requeue: goes on from the last checkpoint |
| 130 | Ctrl-C | the same command goes on |
"""

ERROR = 1
USAGE = 2
REQUEUE = 75
LOST = 76
INTERRUPTED = 130
