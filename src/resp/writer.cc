#include "ringmain/resp/writer.h"

#include "ringmain/base/ascii.h"

namespace ringmain::resp {

namespace {

void write_line(std::string& out, char type, std::string_view text) {
    out.push_back(type);
    for (const char byte : text) {
        out.push_back(byte == '\r' || byte == '\n' ? ' ' : byte);
    }
    out.append("\r\n");
}

void write_header(std::string& out, char type, uint64_t number) {
    out.append(Header(type, number).view());
}

}  // namespace

void write_simple(std::string& out, std::string_view text) {
    write_line(out, '+', text);
}

void write_error(std::string& out, std::string_view text) {
    write_line(out, '-', text);
}

void write_bulk(std::string& out, std::string_view bytes) {
    write_header(out, '$', bytes.size());
    out.append(bytes);
    out.append("\r\n");
}

void write_integer(std::string& out, int64_t number) {
    out.push_back(':');
    out.append(ascii::Decimal(number).view());
    out.append("\r\n");
}

void write_text(std::string& out, std::string_view text, Version version) {
    if (version == Version::Resp2) {
        write_bulk(out, text);
        return;
    }
    constexpr std::string_view format = "txt:";
    write_header(out, '=', format.size() + text.size());
    out.append(format);
    out.append(text);
    out.append("\r\n");
}

void write_null(std::string& out, Version version) {
    out.append(null_response(version));
}

void write_array_header(std::string& out, uint64_t count) {
    write_header(out, '*', count);
}

void write_set_header(std::string& out, uint64_t count, Version version) {
    write_header(out, version == Version::Resp3 ? '~' : '*', count);
}

void write_map_header(std::string& out, uint64_t pair_count, Version version) {
    if (version == Version::Resp3) {
        write_header(out, '%', pair_count);
    } else {
        write_header(out, '*', pair_count * 2);
    }
}

void write_request(std::string& out, std::initializer_list<std::string_view> arguments) {
    write_array_header(out, arguments.size());
    for (const std::string_view argument : arguments) {
        write_bulk(out, argument);
    }
}

}  // namespace ringmain::resp
