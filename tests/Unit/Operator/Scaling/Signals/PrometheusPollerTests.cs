using System.Collections.Concurrent;
using Bursar.Operator.Scaling.Signals;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Agent;

namespace Bursar.Tests.Unit.Operator.Scaling.Signals;

public sealed class PrometheusPollerTests : IAsyncLifetime
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly VirtualTimeProvider _time = new();
    private readonly ConcurrentDictionary<string, int> _asked = new();
    private readonly ConcurrentQueue<string> _told = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly PrometheusPoller _poller;
    private Func<string, CancellationToken, Task<PromAnswer>> _answer = (_, _) => Task.FromResult(PromAnswer.From(1));
    private Task _running = Task.CompletedTask;

    public PrometheusPollerTests()
    {
        _poller = new(
            (source, query, token) =>
            {
                _asked.AddOrUpdate($"{source} {query}", 1, (_, times) => times + 1);
                return _answer(source, token);
            },
            _time
        );
        _poller.Changed += scalers =>
        {
            foreach (string scaler in scalers)
                _told.Enqueue(scaler);
        };
    }

    public Task InitializeAsync()
    {
        _running = _poller.RunAsync(_stop.Token);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(TimeSpan.FromSeconds(30));
        _stop.Dispose();
    }

    [Fact]
    public async Task Shared_query_runs_once_at_the_shortest_interval()
    {
        _poller.Want("a", [new("main", "up", 30 * Second), new("main", "down", 30 * Second)]);
        _poller.Want("b", [new("main", "up", 5 * Second)]);
        await Eventually.TrueAsync(
            () => Count("up") == 1 && Count("down") == 1 && _poller.Get("main", "up") is not null,
            "both are asked at once"
        );
        for (int i = 1; i <= 30; i++)
        {
            _time.Advance(Second);
            await Eventually.TrueAsync(
                () => (Count("up"), Count("down")) == (1 + i / 5, 1 + i / 30),
                $"what is due after {i} s is asked, and no more"
            );
        }
        await Eventually.TrueAsync(() => _told.Count(scaler => scaler == "b") == 7, "its scaler is told each time");
        _poller.Get("main", "up").Should().BeEquivalentTo(new PromReading(_time.GetUtcNow(), PromAnswer.From(1)));

        _poller.Forget("b");
        for (int i = 1; i <= 30; i++)
        {
            _time.Advance(Second);
            await Eventually.TrueAsync(() => Count("up") == 7 + i / 30, "the other scaler wants it less often");
        }
        _poller.Forget("a");
        _poller.Get("main", "up").Should().BeNull();
        _time.Advance(40 * Second);
        Count("up").Should().Be(8);
    }

    [Fact]
    public async Task Hanging_query_delays_its_own_source_only()
    {
        int atOnce = 0,
            most = 0;
        _answer = async (source, token) =>
        {
            if (source == "main")
                return PromAnswer.From(2);
            int now = Interlocked.Increment(ref atOnce);
            lock (_asked)
                most = Math.Max(most, now);
            await Task.Delay(Timeout.Infinite, token);
            return PromAnswer.Empty;
        };
        _poller.Want("many", [.. Enumerable.Range(0, 50).Select(i => new PromQuestion("dead", $"q{i}", Second))]);
        _poller.Want("one", [new("main", "up", Second)]);
        await Eventually.TrueAsync(() => Count("up") == 1, "the other source is asked");
        await Eventually.TrueAsync(() => Volatile.Read(ref atOnce) == 8, "eight of the dead one hang");
        for (int i = 1; i <= 10; i++)
        {
            _time.Advance(Second);
            await Eventually.TrueAsync(() => Count("up") == 1 + i, "the other one is asked each second");
        }
        most.Should().Be(8);
        _asked.Where(one => one.Key.StartsWith("dead", StringComparison.Ordinal)).Sum(one => one.Value).Should().Be(8);
    }

    [Fact]
    public async Task Error_is_a_reading_and_no_exception_ends_the_loop()
    {
        _answer = (_, _) => throw new InvalidOperationException("secret");
        _poller.Want("a", [new("main", "up", Second)]);
        await Eventually.TrueAsync(() => _poller.Get("main", "up") is not null, "it is told");
        _poller.Get("main", "up")!.Answer.Error.Should().Contain("InvalidOperationException").And.NotContain("secret");
        _answer = (_, _) => Task.FromResult(PromAnswer.Empty);
        _time.Advance(Second);
        await Eventually.TrueAsync(() => _poller.Get("main", "up")!.Answer.IsEmpty, "it is asked again");
    }

    private int Count(string query) => _asked.GetValueOrDefault($"main {query}");
}
