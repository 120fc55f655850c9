# Jobs of Sidekiq; RINGMAIN_TEST_PORT says where the queues are. Its transactions concern several of
# its keys, which have a namespace in common, and that is a hash tag.
require "sidekiq"
require "sidekiq/api"

options = { url: "redis://127.0.0.1:#{ENV.fetch("RINGMAIN_TEST_PORT")}/0", namespace: "{sidekiq}" }
Sidekiq.configure_client { |config| config.redis = options }
Sidekiq.configure_server do |config|
  config.redis = options
  config.average_scheduled_poll_interval = 0.3
end

class Double
  include Sidekiq::Worker

  def perform(number)
    Sidekiq.redis { |redis| redis.hset("doubled", number, 2 * number) }
  end
end

class Critical < Double
  sidekiq_options queue: "critical"
end

class OnceMore
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 0 }

  def perform(name)
    attempts = Sidekiq.redis { |redis| redis.hincrby("attempts", name, 1) }
    raise "on purpose" if attempts < 2
  end
end

class Hopeless
  include Sidekiq::Worker
  sidekiq_options retry: 0

  def perform
    raise "always"
  end
end
