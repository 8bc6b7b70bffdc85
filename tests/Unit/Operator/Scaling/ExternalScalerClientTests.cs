using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Operator.Scaling;

namespace Bursar.Tests.Unit.Operator.Scaling;

public sealed class ExternalScalerClientTests
{
    private static readonly DateTimeOffset StartTime = new(2026, 11, 21, 9, 0, 0, TimeSpan.Zero);

    /// <summary>Each thread is the only writer of its own value, so it must read its last write.</summary>
    [Fact]
    public void Concurrent_writes_of_the_loop_and_of_KEDA_are_all_kept()
    {
        const int rounds = 20_000;
        var client = new ExternalScalerClient(StartTime);
        var lost = new int[5];

        var callers = 4;
        Thread[] threads = [new(Loop), .. Enumerable.Range(1, callers).Select(caller => new Thread(() => Call(caller)))];
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();

        lost.Should().OnlyContain(count => count == 0);
        client.State.Triggers.Select(trigger => trigger.Name).Should().Equal("t1", "t2", "t3", "t4");

        void Loop()
        {
            for (var i = 1; Volatile.Read(ref callers) > 0; i++)
            {
                client.Afford(i);
                if (client.State.Affordable != i)
                    lost[0]++;
            }
        }

        void Call(int caller)
        {
            for (var i = 1; i <= rounds; i++)
            {
                if (!client.Query(Trigger($"t{caller}"), HourlyCost.FromDecimal(i), StartTime))
                    lost[caller]++;
                Thread.Yield();
                if (client.State.Calls.SingleOrDefault(ask => ask.Trigger.Name == $"t{caller}")?.Cap != HourlyCost.FromDecimal(i))
                    lost[caller]++;
            }
            Interlocked.Decrement(ref callers);
        }
    }

    [Fact]
    public void Repeated_query_is_not_new_and_another_cap_is()
    {
        var client = new ExternalScalerClient(StartTime);
        client.Query(Trigger("a"), null, StartTime).Should().BeTrue();
        client.Query(Trigger("a"), null, StartTime.AddSeconds(5)).Should().BeFalse();
        client.Query(Trigger("a"), HourlyCost.FromDecimal(2), StartTime.AddSeconds(10)).Should().BeTrue();
        client.Query(Trigger("b"), HourlyCost.FromDecimal(1), StartTime.AddSeconds(10)).Should().BeTrue();
        client.State.Cap.Should().Be(HourlyCost.FromDecimal(1), "the lowest cap counts");
        client.State.CalledAt.Should().Be(StartTime.AddSeconds(10));
    }

    [Fact]
    public void Triggers_without_recent_queries_are_dropped()
    {
        var client = new ExternalScalerClient(StartTime);
        client.Query(Trigger("old"), null, StartTime);
        for (var i = 0; i < 17; i++)
            client.Query(Trigger($"t{i:00}"), null, StartTime.AddMinutes(9).AddSeconds(i));
        client
            .State.Triggers.Select(trigger => trigger.Name)
            .Should()
            .Equal(Enumerable.Range(1, 16).Select(i => $"t{i:00}"), "the newest sixteen are kept");
        client.Query(Trigger("late"), null, StartTime.AddMinutes(30));
        client.State.Triggers.Select(trigger => trigger.Name).Should().Equal("late");
    }

    private static TriggerTerms Trigger(string name) =>
        new()
        {
            Name = name,
            Type = TriggerType.Queue,
            Target = 1,
        };
}
