#include "ringmain/resp/inline.h"

#include "ringmain/base/hex.h"
#include "ringmain/resp/writer.h"

#include "text.h"

namespace ringmain::resp {

namespace {

// Decodes one argument after the other.
class Splitter {
  public:
    explicit Splitter(std::string_view line) : rest_(line) {}

    // False at the end of the line.
    bool find_argument() {
        while (!rest_.empty() && is_blank(rest_.front())) {
            rest_.remove_prefix(1);
        }
        return !rest_.empty();
    }

    // Appends the argument that starts here; false when a quote is not closed, or something sticks
    // to a closing one.
    [[nodiscard]] bool read_argument(std::string& out) {
        while (!rest_.empty()) {
            const char byte = take();
            switch (byte) {
                // Unlike in front of an argument, VT and FF are part of it: so it is in redis.
                case ' ':
                case '\t':
                case '\r':
                case '\n':
                    return true;
                case '"':
                    return read_double_quoted(out);
                case '\'':
                    return read_single_quoted(out);
                default:
                    out.push_back(byte);
            }
        }
        return true;
    }

  private:
    char take() {
        const char byte = rest_.front();
        rest_.remove_prefix(1);
        return byte;
    }

    [[nodiscard]] bool read_double_quoted(std::string& out) {
        while (!rest_.empty()) {
            const char byte = take();
            if (byte == '"') return ends_here();
            if (byte == '\\' && !rest_.empty()) {
                read_escape(out);
            } else {
                out.push_back(byte);
            }
        }
        return false;
    }

    [[nodiscard]] bool read_single_quoted(std::string& out) {
        while (!rest_.empty()) {
            const char byte = take();
            if (byte == '\'') return ends_here();
            if (byte == '\\' && rest_.starts_with('\'')) {
                out.push_back(take());
            } else {
                out.push_back(byte);
            }
        }
        return false;
    }

    // Behind the backslash; the line goes on.
    void read_escape(std::string& out) {
        if (rest_.size() >= 3 && rest_[0] == 'x') {
            if (const std::optional<uint8_t> byte = hex_byte(rest_[1], rest_[2])) {
                out.push_back(static_cast<char>(*byte));
                rest_.remove_prefix(3);
                return;
            }
        }
        const char byte = take();
        switch (byte) {
            case 'n':
                out.push_back('\n');
                return;
            case 'r':
                out.push_back('\r');
                return;
            case 't':
                out.push_back('\t');
                return;
            case 'b':
                out.push_back('\b');
                return;
            case 'a':
                out.push_back('\a');
                return;
            default:
                out.push_back(byte);
        }
    }

    [[nodiscard]] bool ends_here() const { return rest_.empty() || is_blank(rest_.front()); }

    std::string_view rest_;
};

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

}  // namespace

std::optional<uint32_t> inline_to_array(std::string_view line, std::string& array) {
    array.clear();
    uint32_t count = 0;
    Splitter splitter(without_line_end(line));
    while (splitter.find_argument()) {
        // A header is known only behind its body, and it is short: the body makes room for it.
        const size_t start = array.size();
        if (!splitter.read_argument(array)) return std::nullopt;
        array.insert(start, Header('$', array.size() - start).view());
        array.append("\r\n");
        count += 1;
    }
    if (count > 0) array.insert(0, Header('*', count).view());
    return count;
}

}  // namespace ringmain::resp
