#include "ringmain/uring/features.h"

#include "ringmain/uring/self_test.h"
#include "tests/unit/uring/rig.h"

#include <sys/resource.h>

namespace ringmain::uring {
namespace {

using test::contains;

Features all_features() {
    Features features;
    for (uint32_t i = 0; i < feature_count; ++i)
        features.add(static_cast<Feature>(i));
    return features;
}

Features reduced(std::string_view ignored) {
    const Result<Features> rest = all_features().without(ignored);
    REQUIRE_MESSAGE(rest.ok(), rest.error());
    return rest.value();
}

// As long as it lives no more than so many can be opened.
class FewDescriptors {
  public:
    explicit FewDescriptors(uint32_t left) {
        REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const Descriptor lowest(dup(STDERR_FILENO));
        REQUIRE(lowest.is_open());
        const rlim_t end = static_cast<rlim_t>(lowest.get()) + left;
        const rlimit few = {.rlim_cur = end, .rlim_max = before_.rlim_max};
        REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    }

    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;

    ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_ = {};
};

}  // namespace

TEST_CASE("each feature has a name of its own, and is ignored by it") {
    for (uint32_t i = 0; i < feature_count; ++i) {
        const auto feature = static_cast<Feature>(i);
        Features alone;
        alone.add(feature);
        const std::string name = alone.text();
        CAPTURE(name);
        REQUIRE(name != "none");
        if (feature == Feature::BufferRing || feature == Feature::BufferRecycle) continue;
        const Features rest = reduced(name);
        CHECK_FALSE(rest.has(feature));
        CHECK(rest.missing_text().find(name) != std::string::npos);
        // Every other one stays, except that deferring needs a single issuer.
        for (uint32_t j = 0; j < feature_count; ++j) {
            const auto other = static_cast<Feature>(j);
            if (other == feature) continue;
            const bool tied = feature == Feature::SingleIssuer && other == Feature::DeferTaskrun;
            CHECK(rest.has(other) == !tied);
        }
    }
}

TEST_CASE("names are separated by commas and blanks") {
    const Features rest = reduced(" poll_first,bundle ,, \tsubmit_all ");
    CHECK_FALSE(rest.has(Feature::PollFirst));
    CHECK_FALSE(rest.has(Feature::Bundle));
    CHECK_FALSE(rest.has(Feature::SubmitAll));
    CHECK(rest.has(Feature::CoopTaskrun));
}

TEST_CASE("no names take nothing away") {
    for (const std::string_view text : {"", " ", "none", ","}) {
        CAPTURE(text);
        CHECK(reduced(text) == all_features());
    }
}

TEST_CASE("a preset is what a kernel of that version has") {
    CHECK_FALSE(reduced("5.19").has(Feature::SingleIssuer));
    CHECK_FALSE(reduced("5.19").has(Feature::DeferTaskrun));
    CHECK_FALSE(reduced("5.19").has(Feature::MultishotReceive));
    CHECK(reduced("5.19").has(Feature::MultishotAccept));
    CHECK(reduced("5.19").has(Feature::CoopTaskrun));
    CHECK(reduced("6.0").has(Feature::SingleIssuer));
    CHECK(reduced("6.0").has(Feature::MultishotReceive));
    CHECK_FALSE(reduced("6.0").has(Feature::DeferTaskrun));
    CHECK(reduced("6.1").has(Feature::DeferTaskrun));
    CHECK_FALSE(reduced("6.1").has(Feature::Bundle));
    CHECK(reduced("all").text() == "buffer_ring buffer_recycle");
    CHECK_FALSE(reduced("6.1, multishot_receive").has(Feature::MultishotReceive));
}

TEST_CASE("an unknown name is an error that lists the known ones") {
    const Result<Features> rest = all_features().without("bundle,multishot_recieve");
    REQUIRE_FALSE(rest.ok());
    CHECK(rest.error().find("'multishot_recieve'") != std::string::npos);
    CHECK(rest.error().find("multishot_receive, ") != std::string::npos);
    CHECK(rest.error().find("5.19") != std::string::npos);
    CHECK(rest.error().find("buffer_ring") == std::string::npos);
}

TEST_CASE("what cannot be done without cannot be ignored") {
    const Result<Features> rest = all_features().without("buffer_ring");
    REQUIRE_FALSE(rest.ok());
    CHECK(rest.error().find("buffer_ring") != std::string::npos);
}

TEST_CASE("probing finds what every supported kernel has") {
    const Features features = test::features_without("none");
    MESSAGE("features: ", features.text());
    CHECK(features.has(Feature::BufferRing));
    CHECK(features.has(Feature::CoopTaskrun));
    CHECK(features.has(Feature::SubmitAll));
    CHECK(features.has(Feature::MultishotAccept));
    CHECK(features.has(Feature::PollFirst));
}

TEST_CASE("the self-test passes under every preset") {
    for (const std::string_view preset : test::presets) {
        CAPTURE(preset);
        const Status status = self_test(test::features_without(preset));
        CHECK_MESSAGE(status.ok(), (status.ok() ? "" : status.error()));
    }
}

TEST_CASE("too few descriptors for the self-test are no fault of the kernel's") {
    const Features features = test::features_without("none");
    // The ring, and each pair of sockets.
    for (const uint32_t left : {0U, 1U, 3U}) {
        CAPTURE(left);
        const Status status = [&] {
            const FewDescriptors few(left);
            return self_test(features);
        }();
        REQUIRE_FALSE(status.ok());
        CHECK(contains(status.error(), "EMFILE"));
        CHECK(contains(status.error(), "LimitNOFILE"));
        CHECK_FALSE(contains(status.error(), "multishot_receive"));
        CHECK_FALSE(contains(status.error(), "kernel's"));
    }
}

TEST_CASE("a feature is not missing for want of descriptors") {
    for (const uint32_t left : {0U, 1U}) {
        CAPTURE(left);
        const Result<Features> probed = [&] {
            const FewDescriptors few(left);
            return Features::probe();
        }();
        REQUIRE_FALSE(probed.ok());
        CHECK(contains(probed.error(), "io_uring_setup: Too many open files (EMFILE)"));
        CHECK(contains(probed.error(), "LimitNOFILE"));
    }
}

}  // namespace ringmain::uring
