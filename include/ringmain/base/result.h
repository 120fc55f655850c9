// ringmain/base/result.h - a value, or the reason why there is none.
//
// For start-up and configuration, where the reason is a sentence for people. The data path uses
// status enums instead: it never builds a string to report a failure.

#pragma once

#include "ringmain/base/assert.h"

#include <optional>
#include <string>
#include <utility>

namespace ringmain {

// A sentence that names the thing, the limit and the remedy.
struct Error {
    std::string text;
    int number = 0;  // an errno, where callers tell causes apart
};

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)

    Result(Error error)  // NOLINT(google-explicit-constructor)
        : error_(std::move(error.text)), error_number_(error.number) {}

    [[nodiscard]] bool ok() const { return value_.has_value(); }

    [[nodiscard]] T& value() {
        RM_ASSERT(ok());
        return *value_;
    }

    [[nodiscard]] const T& value() const {
        RM_ASSERT(ok());
        return *value_;
    }

    [[nodiscard]] const std::string& error() const { return error_; }

    [[nodiscard]] int error_number() const { return error_number_; }

  private:
    std::optional<T> value_;
    std::string error_;
    int error_number_ = 0;
};

// Success, or the reason why not.
class [[nodiscard]] Status {
  public:
    Status() = default;

    Status(Error error) : error_(std::move(error.text)) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool ok() const { return !error_.has_value(); }

    [[nodiscard]] const std::string& error() const {
        RM_ASSERT(error_.has_value());
        return *error_;
    }

  private:
    std::optional<std::string> error_;
};

}  // namespace ringmain
