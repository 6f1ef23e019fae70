// The program around a task on another machine, `tieragent --run-task`: reads a StepOrder, enters the folder, starts the task
// within its limits, and says how it ended (compute/executors/step.h).
#pragma once

namespace tierhub::compute {

// The order comes on standard input, the task's output and the records go to standard output. Returns the exit code: that of the
// task; 125 if there is no order. SIGTERM is for the task, which is killed if it does not end by itself.
int wrap_task();

}  // namespace tierhub::compute
