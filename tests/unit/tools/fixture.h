// tierctl as a process, against a tierd whose service is a fake.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>

#include <unistd.h>

#include <gtest/gtest.h>

#include "api/http_server.h"
#include "tests/unit/api/fake_service.h"
#include "tests/unit/tools/process.h"

namespace tierhub::tierctl {

class TierctlTest : public testing::Test {
 protected:
  using State = api::FakeService::State;
  using StandardError = test::Process::StandardError;

  void SetUp() override {
    std::string name = "/tmp/tierhub-tierctl-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    mount_ = folder_ + "/mount";
    std::filesystem::create_directories(mount_ + "/brain42");
    socket_path_ = folder_ + "/tierd.sock";
    auto server = api::HttpServer::open(socket_path_, 0666, service_);
    ASSERT_TRUE(server) << server.error().text();
    server_ = *std::move(server);
    server_->start();
    service_.with([this](State& state) {
      state.administrator_uid = ::getuid();
      state.status.mount = mount_;
    });
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<test::Process> start(std::vector<std::string> arguments,
                                       StandardError standard_error = StandardError::pipe) {
    arguments.insert(arguments.begin(), TIERCTL_PATH);
    return std::make_unique<test::Process>(
        arguments, std::vector<std::string>{"TIERHUB_SOCKET=" + socket_path_, "SUDO_USER=alice"},
        current_folder_.empty() ? folder_ : current_folder_, standard_error);
  }
  test::Outcome run(std::vector<std::string> arguments) {
    return start(std::move(arguments))->wait();
  }

  std::string folder_;
  std::string mount_;
  std::string current_folder_;  // empty: folder_
  std::string socket_path_;
  api::FakeService service_;
  std::unique_ptr<api::HttpServer> server_;
};

}  // namespace tierhub::tierctl
