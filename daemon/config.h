// The settings of tierd: defaults, the YAML file, the command line, in this order. etc/tierhub.yaml
// documents each key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/log.h"
#include "common/result.h"
#include "storage/posix/archive_claim.h"

namespace tierhub {

struct Config {
  std::string archive;
  std::string scratch;
  std::string mount;
  std::string state;  // default: <scratch>/state
  std::string socket = "/run/tierhub/tierd.sock";
  log::Level log_level = log::Level::info;

  uint64_t chunk_bytes = 4 << 20;
  uint64_t capacity_bytes = 0;
  uint64_t reserve_bytes = 256 << 20;
  double high_percent = 90;
  double low_percent = 80;
  double write_wait_s = 60;

  double catalog_backup_s = 86400;
  uint64_t catalog_backups = 7;

  double settle_s = 5;
  double retry_parked_s = 300;
  uint64_t publish_lanes = 4;
  bool verify_by_reading = false;

  double scan_every_s = 3600;
  double growing_s = 5;
  double trash_days = 7;
  bool trash_replaced = false;
  uint64_t trash_keep_free_bytes = uint64_t{10} << 30;

  uint64_t archive_slots = 64;
  double archive_time_limit_s = 30;
  std::vector<std::string> leave_out;  // as LeftOutNames

  bool answer_first = true;
  uint64_t read_ahead_bytes = 32 << 20;

  uint64_t prefetch_files_in_flight = 256;
  uint64_t prefetch_bytes_in_flight = 256 << 20;
  double prefetch_room_wait_s = 60;
  double lease_user_percent = 80;
  double lease_max_s = 7 * 24 * 3600;
  uint64_t pin_user_bytes = 0;  // 0: only root may pin
  double pin_users_percent = 20;

  bool keeper = true;
  uint64_t restarts_max = 5;
  double stop_limit_s = 10;

  bool devices = false;
  bool set_user_id = false;
  TakeOver take_over = TakeOver::refuse;  // on the command line only
  bool passthrough = true;
  uint64_t fuse_threads = 8;
  uint64_t fuse_spin_us = 50;
  double attribute_timeout_s = 60;
  double entry_timeout_s = 60;
  uint64_t inodes_in_memory = 100'000;

  Config();
  // Reads a YAML file over the present values. An unknown key, or a value of the wrong kind, is an
  // error with its line.
  Result<void> read_file(const std::string& path);
  // Makes paths absolute and checks what can be checked without acting: the three folders are
  // given, exist, can be written, and none lies inside another in a way that would loop.
  Result<void> complete();
};

// What `tierd --archive-check PATH` does: looks at an archive's folder for Config::complete(),
// which started it, and answers on descriptor 3.
inline constexpr const char* kCheckArchive = "--archive-check";
int check_archive_main(const std::string& path);

}  // namespace tierhub
