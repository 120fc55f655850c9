#include "ringmain/config/load.h"

#include "ringmain/base/counted.h"
#include "ringmain/base/printable.h"
#include "ringmain/config/file.h"

#include <algorithm>
#include <utility>

#include "findings.h"
#include "reader.h"
#include "toml.h"

namespace ringmain::config {

bool Loaded::accepted() const {
    return std::ranges::none_of(diagnostics, [](const Diagnostic& diagnostic) {
        return diagnostic.severity == Severity::Error;
    });
}

Loaded load(std::string_view text, std::string_view file, uint32_t cpus_allowed) {
    Loaded loaded;
    Findings findings;
    if (text.size() > file_size_max) {
        findings.error({}, "the file is larger than 8 MiB, which no configuration is");
    } else {
        std::vector<Diagnostic> broken;
        const Tree tree = parse_toml(text, broken);
        for (Diagnostic& diagnostic : broken) {
            findings.error(diagnostic.place, std::move(diagnostic.message));
        }
        loaded.config = Reader(tree, cpus_allowed, findings).read();
    }
    loaded.config.file = std::string(file);
    loaded.diagnostics = std::move(findings.found());
    loaded.warnings_left_out = findings.warnings_left_out();
    std::ranges::stable_sort(loaded.diagnostics, {}, [](const Diagnostic& diagnostic) {
        return std::pair(diagnostic.place.line, diagnostic.place.column);
    });
    return loaded;
}

std::string report(const Loaded& loaded, std::string_view text) {
    const Config& config = loaded.config;
    const std::string file = printable(config.file);
    std::string out = render(loaded.diagnostics, file, text);
    const std::string count = count_text(loaded.diagnostics, loaded.warnings_left_out);
    if (!loaded.accepted()) return out + file + ": " + count + ": not accepted\n";

    size_t servers = 0;
    for (const Pool& pool : config.pools) {
        servers += pool.servers.size();
    }
    out += file + ": accepted, " + counted(config.pools.size(), "pool") + ", " +
           counted(servers, "server");
    if (!count.empty()) out += ", " + count;
    return out + "\n";
}

}  // namespace ringmain::config
