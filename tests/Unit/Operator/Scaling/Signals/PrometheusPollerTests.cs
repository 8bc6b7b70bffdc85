using System.Collections.Concurrent;
using Bursar.Operator.Scaling.Signals;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Agent;

namespace Bursar.Tests.Unit.Operator.Scaling.Signals;

public sealed class PrometheusPollerTests : IAsyncLifetime
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider time = new();
    private readonly ConcurrentDictionary<string, int> asked = new();
    private readonly ConcurrentQueue<string> told = new();
    private readonly CancellationTokenSource stop = new();
    private readonly PrometheusPoller poller;
    private Func<string, CancellationToken, Task<PromAnswer>> answer = (_, _) => Task.FromResult(PromAnswer.Of(1));
    private Task running = Task.CompletedTask;

    public PrometheusPollerTests()
    {
        poller = new((source, query, token) =>
        {
            asked.AddOrUpdate($"{source} {query}", 1, (_, times) => times + 1);
            return answer(source, token);
        }, time, null);
        poller.Changed += scalers => { foreach (string scaler in scalers) told.Enqueue(scaler); };
    }

    public Task InitializeAsync()
    {
        running = poller.RunAsync(stop.Token);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(30));
        stop.Dispose();
    }

    [Fact]
    public async Task A_query_of_several_scalers_is_asked_once_as_often_as_the_most_hurried_wants_it()
    {
        poller.Want("a", [new("main", "up", 30 * Second), new("main", "down", 30 * Second)]);
        poller.Want("b", [new("main", "up", 5 * Second)]);
        await Eventually.TrueAsync(() => Count("up") == 1 && Count("down") == 1 && poller.Of("main", "up") is not null, "both are asked at once");
        for (int i = 1; i <= 30; i++)
        {
            time.Advance(Second);
            await Eventually.TrueAsync(() => (Count("up"), Count("down")) == (1 + i / 5, 1 + i / 30), $"what is due after {i} s is asked, and no more");
        }
        await Eventually.TrueAsync(() => told.Count(scaler => scaler == "b") == 7, "its scaler is told each time");
        poller.Of("main", "up").Should().BeEquivalentTo(new PromReading(time.GetUtcNow(), PromAnswer.Of(1)));

        poller.Forget("b");
        for (int i = 1; i <= 30; i++)
        {
            time.Advance(Second);
            await Eventually.TrueAsync(() => Count("up") == 7 + i / 30, "the other scaler wants it less often");
        }
        poller.Forget("a");
        poller.Of("main", "up").Should().BeNull();
        time.Advance(40 * Second);
        Count("up").Should().Be(8);
    }

    [Fact]
    public async Task What_hangs_holds_up_its_own_source_alone_and_is_not_asked_twice_meanwhile()
    {
        int atOnce = 0, most = 0;
        answer = async (source, token) =>
        {
            if (source == "main") return PromAnswer.Of(2);
            int now = Interlocked.Increment(ref atOnce);
            lock (asked) most = Math.Max(most, now);
            await Task.Delay(Timeout.Infinite, token);
            return PromAnswer.Empty;
        };
        poller.Want("many", [.. Enumerable.Range(0, 50).Select(i => new PromQuestion("dead", $"q{i}", Second))]);
        poller.Want("one", [new("main", "up", Second)]);
        await Eventually.TrueAsync(() => Count("up") == 1, "the other source is asked");
        await Eventually.TrueAsync(() => Volatile.Read(ref atOnce) == 8, "eight of the dead one hang");
        for (int i = 1; i <= 10; i++)
        {
            time.Advance(Second);
            await Eventually.TrueAsync(() => Count("up") == 1 + i, "the other one is asked each second");
        }
        most.Should().Be(8);
        asked.Where(one => one.Key.StartsWith("dead", StringComparison.Ordinal)).Sum(one => one.Value).Should().Be(8);
    }

    [Fact]
    public async Task An_error_is_a_reading_and_no_exception_ends_the_loop()
    {
        answer = (_, _) => throw new InvalidOperationException("secret");
        poller.Want("a", [new("main", "up", Second)]);
        await Eventually.TrueAsync(() => poller.Of("main", "up") is not null, "it is told");
        poller.Of("main", "up")!.Answer.Error.Should().Contain("InvalidOperationException").And.NotContain("secret");
        answer = (_, _) => Task.FromResult(PromAnswer.Empty);
        time.Advance(Second);
        await Eventually.TrueAsync(() => poller.Of("main", "up")!.Answer.IsEmpty, "it is asked again");
    }

    private int Count(string query) => asked.GetValueOrDefault($"main {query}");
}
