// The archive helper as a program of its own, for tests that have no tierd.
#include "storage/helper/helper.h"

int main(int argc, char** argv) { return tierhub::archive_helper_main(argc, argv); }
