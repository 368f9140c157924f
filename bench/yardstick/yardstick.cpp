// The same frames in C++: simdjson On-Demand, prices in sorted vectors, the best at the tail.
// Built by bench/yardstick.py: c++ -O3 -march=native -std=c++17 yardstick.cpp -lsimdjson   (Debian: libsimdjson-dev)
// Speaks the protocol of bench/worker.py, so that its turns come between those of the others.
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using simdjson::padded_string;
namespace ondemand = simdjson::ondemand;

// The thread's own processor time in ns, as in worker.py.
double now_ns() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) * 1e9 + double(now.tv_nsec);
}

// One side; `flip` (0 for bids, -1 for asks) orders the keys so that the best price is always the last one.
struct Ladder {
    explicit Ladder(int64_t flip) : flip(flip) {
        keys.reserve(4096);
        sizes.reserve(4096);
    }

    void clear() {
        keys.clear();
        sizes.clear();
    }

    // Most changes are near the best price, so a short walk from the tail comes before the search.
    size_t find(int64_t key) const {
        size_t high = keys.size();
        for (int near = 0; near < 8; ++near) {
            if (high == 0 || keys[high - 1] < key) return high;
            --high;
        }
        return std::lower_bound(keys.begin(), keys.begin() + high, key) - keys.begin();
    }

    void put(int64_t price, double size) {
        const int64_t key = price ^ flip;
        const size_t at = find(key);
        if (at < keys.size() && keys[at] == key) {
            sizes[at] = size;
            return;
        }
        keys.insert(keys.begin() + at, key);
        sizes.insert(sizes.begin() + at, size);
    }

    void remove(int64_t price) {
        const int64_t key = price ^ flip;
        const size_t at = find(key);
        if (at == keys.size() || keys[at] != key) return;
        keys.erase(keys.begin() + at);
        sizes.erase(sizes.begin() + at);
    }

    int64_t flip;
    std::vector<int64_t> keys;
    std::vector<double> sizes;
};

struct Book {
    Ladder bids{0}, asks{-1};
    int64_t sequence = 0;
};

// Price text as an integer of 8 decimals.
int64_t price_e8(std::string_view text) {
    static constexpr int64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    int64_t value = 0;
    size_t decimals = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '.') {
            decimals = text.size() - i - 1;
        } else {
            value = value * 10 + (text[i] - '0');
        }
    }
    return value * powers[8 - decimals];
}

double number(std::string_view text) {
    double value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

class Dialect {
   public:
    virtual ~Dialect() = default;
    virtual void apply(Book& book, const padded_string& frame, bool snapshot) = 0;
    virtual double price(int64_t key) const = 0;

   protected:
    ondemand::parser parser;
};

class V2 final : public Dialect {
    bool quoted = false;  // linear writes its integers in strings

    int64_t integer(ondemand::value value) { return quoted ? value.get_int64_in_string() : value.get_int64(); }

    void levels(Book& book, ondemand::array list, bool remove) {
        for (ondemand::object level : list) {
            const int64_t id = integer(level.find_field("id"));
            const std::string_view side = level.find_field("side").get_string();
            Ladder& ladder = side[0] == 'B' ? book.bids : book.asks;
            if (remove) {
                ladder.remove(id);
            } else {
                ladder.put(id, level.find_field("size").get_double());
            }
        }
    }

    void snapshot_levels(Book& book, ondemand::value data) {
        ondemand::array list;
        if (data.get_array().get(list)) list = data.get_object().find_field("order_book").get_array();
        quoted = true;
        for (ondemand::object level : list) {
            int64_t id = 0;
            ondemand::value field = level.find_field("id");
            if (field.get_int64_in_string().get(id)) {
                quoted = false;
                id = field.get_int64();
            }
            const std::string_view side = level.find_field("side").get_string();
            (side[0] == 'B' ? book.bids : book.asks).put(id, level.find_field("size").get_double());
        }
    }

   public:
    void apply(Book& book, const padded_string& frame, bool snapshot) override {
        ondemand::document document = parser.iterate(frame);
        ondemand::value data = document.find_field("data");
        if (snapshot) {
            snapshot_levels(book, data);
        } else {
            ondemand::object changes = data.get_object();
            levels(book, changes.find_field("delete").get_array(), true);
            levels(book, changes.find_field("update").get_array(), false);
            levels(book, changes.find_field("insert").get_array(), false);
        }
        book.sequence = integer(document.find_field("cross_seq"));
    }

    double price(int64_t key) const override { return double(key) / 1e4; }
};

class V5 final : public Dialect {
    void levels(Ladder& ladder, ondemand::array list) {
        for (ondemand::array level : list) {
            auto field = level.begin();
            const int64_t price = price_e8((*field).get_string());
            ++field;
            const std::string_view size = (*field).get_string();
            ++field;
            if (size == "0") {
                ladder.remove(price);
            } else {
                ladder.put(price, number(size));
            }
        }
    }

   public:
    void apply(Book& book, const padded_string& frame, bool) override {
        ondemand::document document = parser.iterate(frame);
        ondemand::object data = document.find_field("data").get_object();
        levels(book.bids, data.find_field("b").get_array());
        levels(book.asks, data.find_field("a").get_array());
        book.sequence = data.find_field("u").get_int64();
    }

    double price(int64_t key) const override { return double(key) / 1e8; }
};

struct Stream {
    std::string topic;
    std::vector<padded_string> frames;  // a snapshot, then its deltas
    Book book;
    std::unique_ptr<Dialect> dialect;

    // Replay the stream once; ns per delta.
    double pass() {
        book.bids.clear();
        book.asks.clear();
        dialect->apply(book, frames[0], true);
        const double start = now_ns();
        for (size_t i = 1; i < frames.size(); ++i) dialect->apply(book, frames[i], false);
        return (now_ns() - start) / double(frames.size() - 1);
    }
};

std::vector<Stream> read(const char* path) {
    std::vector<Stream> streams;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line[0] == '#') {
            Stream& stream = streams.emplace_back();
            stream.topic = line.substr(1, line.find('\t') - 1);
            if (stream.topic.compare(0, 10, "orderbook.") == 0) {
                stream.dialect = std::make_unique<V5>();
            } else {
                stream.dialect = std::make_unique<V2>();
            }
        } else {
            streams.back().frames.emplace_back(line);
        }
    }
    return streams;
}

int main(int, char** arguments) {
    std::vector<Stream> streams = read(arguments[1]);
    std::cout << std::setprecision(17);
    for (Stream& stream : streams) {
        stream.pass();
        const Ladder &bids = stream.book.bids, &asks = stream.book.asks;
        std::cout << "top " << stream.dialect->price(bids.keys.back()) << ' ' << bids.sizes.back() << ' '
                  << stream.dialect->price(~asks.keys.back()) << ' ' << asks.sizes.back() << std::endl;
    }
    size_t chosen = 0;
    double budget_ns = 0;
    while (std::cin >> chosen >> budget_ns) {
        Stream& stream = streams[chosen];
        stream.pass();  // warms the caches that the others have taken
        std::vector<double> passes;
        const double end = now_ns() + budget_ns;
        do {
            passes.push_back(stream.pass());
        } while (now_ns() < end);
        std::nth_element(passes.begin(), passes.begin() + passes.size() / 2, passes.end());
        std::cout << passes[passes.size() / 2] << std::endl;
    }
}
