# What a user of Sidekiq does, before a process that runs. Exit status 0: all right.
require_relative "sidekiq_app"

def wait_until(what, seconds = 40)
  ending = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
  until yield
    raise "not in time: #{what}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > ending
    sleep 0.05
  end
end

def table(name)
  Sidekiq.redis { |redis| redis.hgetall(name) }
end

wait_until("a process is registered") { Sidekiq::ProcessSet.new.size == 1 }
40.times { |number| (number.even? ? Double : Critical).perform_async(number) }
Sidekiq::Client.push_bulk("class" => Double, "args" => (40...80).map { |number| [number] })
wait_until("all jobs are done") { table("doubled").size == 80 }
raise "wrong" unless table("doubled").all? { |number, double| double.to_i == 2 * number.to_i }

Double.perform_in(0.5, 100)
OnceMore.perform_async("retried")
Hopeless.perform_async
wait_until("a job that is delayed") { table("doubled").key?("100") }
wait_until("a job that is tried again") { table("attempts")["retried"] == "2" }
wait_until("the retries are done") { Sidekiq::RetrySet.new.size.zero? }

later = Double.perform_in(3600, 1)
scheduled = Sidekiq::ScheduledSet.new
raise "not scheduled" unless scheduled.size == 1
raise "not found" unless scheduled.find_job(later)
scheduled.each(&:delete)
raise "not deleted" unless scheduled.size.zero?
wait_until("it is counted") { Sidekiq::Stats.new.processed >= 83 }
stats = Sidekiq::Stats.new
raise "failures: #{stats.failed}" unless stats.failed == 2
raise "enqueued: #{stats.enqueued}" unless stats.enqueued.zero?
raise "queues" unless Sidekiq::Queue.all.map(&:name).sort == %w[critical default]
Sidekiq::Queue.new("default").clear
