// The program around a task on another machine, `tieragent --run-task`: reads a StepOrder, enters the folder, starts the task
// within its limits, and says how it ended (compute/executors/step.h).
#pragma once

namespace tierhub::compute {

// Orders and beats come on standard input, the task's output and the records go to standard output. Returns the exit code: that of
// the task, or 0 if further orders could come; 124 if it lost its lease (lease.h), after which nothing of the task is left; 125 if
// there is no order. SIGTERM is for the task, which is killed if it does not end by itself.
int wrap_task();

}  // namespace tierhub::compute
