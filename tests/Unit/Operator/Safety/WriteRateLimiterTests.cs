using Bursar.Operator.Safety;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Operator.Safety;

public class WriteRateLimiterTests
{
    [Fact]
    public void Thousand_writers_share_eight_writes_a_second_in_two_attempts_each()
    {
        VirtualTimeProvider time = new();
        WriteRateLimiter limiter = new(time);
        var start = time.GetUtcNow();
        PriorityQueue<int, DateTimeOffset> due = new(Enumerable.Range(0, 1000).Select(i => (i, start)));
        int asked = 0,
            written = 0;
        while (due.TryDequeue(out var writer, out var at))
        {
            if (at > time.GetUtcNow())
                time.Advance(at - time.GetUtcNow());
            asked++;
            if (limiter.TryTake($"b{writer}", out var wait))
                written++;
            else
                due.Enqueue(writer, time.GetUtcNow() + wait);
        }
        written.Should().Be(1000);
        asked.Should().BeLessThanOrEqualTo(2000);
        (time.GetUtcNow() - start).Should().BeCloseTo(TimeSpan.FromSeconds(123), TimeSpan.FromSeconds(1));
    }

    [Fact]
    public void Unused_turn_blocks_no_other_writer()
    {
        VirtualTimeProvider time = new();
        WriteRateLimiter limiter = new(time, perSecond: 1);
        limiter.TryTake("a", out _).Should().BeTrue();
        limiter.TryTake("b", out _).Should().BeTrue();
        limiter.TryTake("gone", out _).Should().BeFalse();
        time.Advance(TimeSpan.FromMinutes(1));
        limiter.TryTake("c", out _).Should().BeTrue();
    }
}
