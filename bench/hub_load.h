// Load on a running hub, and on files, while something else is measured. Prints one line of JSON.
#pragma once

#include <string>
#include <vector>

namespace tierhub::bench {

// viewers PORT COOKIES TARGETS CONNECTIONS RATE SECONDS: so many connections ask the hub on this port for the
// targets of the file TARGETS (one a line; each connection begins at another one and takes the next one each time),
// RATE times a second each; 0: as fast as it answers, each target once, and no longer than SECONDS.
// COOKIES have commas between them: the connections take them in turns.
//   {"requests", "failed", "seconds", "per_s", "bytes", "p50_ms", "p95_ms", "p99_ms"}
// Times are from when a request was due until its last byte has come: who waits is counted.
int load_viewers(const std::vector<std::string>& arguments);

// beside A B SECONDS: reads the two files in turns, from the page cache. {"rounds", "ratio", "a_mib_s", "b_mib_s"}: the
// ratio is the median of the speeds of A over that of B in each round.
int read_beside(const std::vector<std::string>& arguments);

}  // namespace tierhub::bench
