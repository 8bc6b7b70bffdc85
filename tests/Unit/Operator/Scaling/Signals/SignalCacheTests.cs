using Bursar.Agent.Endpoints;
using Bursar.Operator.Scaling.Signals;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Operator.Scaling.Signals;

public sealed class SignalCacheTests
{
    private readonly VirtualTimeProvider _time = new();
    private readonly Dictionary<string, string> _nodes = new() { ["u"] = "n1", ["v"] = "n2" };
    private readonly List<string> _news = [];
    private readonly SignalCache _board;

    /// <summary>Offset of the agent's clock.</summary>
    private TimeSpan _skew = TimeSpan.FromHours(-3);

    public SignalCacheTests()
    {
        _board = new(uid => _nodes.GetValueOrDefault(uid), _time);
        _board.Changed += uids => _news.AddRange(uids);
    }

    [Fact]
    public void Rates_are_of_the_last_ten_seconds_and_need_two_readings()
    {
        Tell(new() { GeneratedTokens = 1_000_000, PromptTokens = 0 });
        _board.Of("u")!.GeneratedTokensPerSecond.Should().BeNull();
        for (var i = 1; i <= 30; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            // 100 per second for twenty seconds, then 400.
            Tell(new() { GeneratedTokens = 1_000_000 + 100 * i + Math.Max(0, i - 20) * 300, PromptTokens = 7 * i });
            if (i == 20)
                _board.Of("u")!.GeneratedTokensPerSecond.Should().BeApproximately(100, 1e-9);
        }
        _board.Of("u")!.GeneratedTokensPerSecond.Should().BeApproximately(400, 1e-9);
        _board.Of("u")!.PromptTokensPerSecond.Should().BeApproximately(7, 1e-9);
    }

    [Fact]
    public void Reset_counter_has_no_rate_until_it_is_read_twice()
    {
        Tell(new() { GeneratedTokens = 1_000_000 });
        _time.Advance(TimeSpan.FromSeconds(1));
        Tell(new() { GeneratedTokens = 1_000_100 });
        _time.Advance(TimeSpan.FromSeconds(1));
        Tell(new() { GeneratedTokens = 50 });
        _board.Of("u")!.GeneratedTokensPerSecond.Should().BeNull();
        _time.Advance(TimeSpan.FromSeconds(2));
        Tell(new() { GeneratedTokens = 250 });
        _board.Of("u")!.GeneratedTokensPerSecond.Should().BeApproximately(100, 1e-9);
    }

    [Fact]
    public void Readings_far_apart_still_make_a_rate_and_those_of_another_hour_none()
    {
        Tell(new() { GeneratedTokens = 0 });
        _time.Advance(TimeSpan.FromSeconds(30));
        Tell(new() { GeneratedTokens = 300 });
        _board.Of("u")!.GeneratedTokensPerSecond.Should().BeApproximately(10, 1e-9);
        _time.Advance(TimeSpan.FromHours(1));
        Tell(new() { GeneratedTokens = 9_000_000 });
        _board.Of("u")!.GeneratedTokensPerSecond.Should().BeNull();
    }

    [Fact]
    public void Histograms_are_the_last_minutes_increase()
    {
        // One request per second: 0.05 s each in the first minute, then 0.7 s.
        _board.Of("u").Should().BeNull();
        for (var i = 0; i <= 200; i++)
        {
            Tell(new() { FirstToken = Histogram(Math.Min(1000 + i, 1060), 1000 + i, 1000 + i) });
            if (i == 0)
                _board.Of("u")!.FirstToken.Should().BeNull("nothing is known of the time before");
            if (i == 30)
                _board.Of("u")!.FirstToken!.Counts.Should().Equal(30, 30, 30);
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        var last = _board.Of("u")!.FirstToken!;
        last.Count.Should().BeInRange(60, 65);
        last.Counts[0].Should().Be(0);
        last.Quantile(0.5).Should().BeApproximately(0.55, 1e-9);
    }

    [Fact]
    public void Histogram_of_a_restarted_server_counts_from_the_restart()
    {
        Tell(new() { EndToEnd = Histogram(10, 10, 10) });
        _time.Advance(TimeSpan.FromSeconds(10));
        Tell(new() { EndToEnd = Histogram(20, 20, 20) });
        _time.Advance(TimeSpan.FromSeconds(10));
        Tell(new() { EndToEnd = Histogram(0, 5, 5) });
        _board.Of("u")!.EndToEnd!.Counts.Should().Equal(0, 5, 5);
        _time.Advance(TimeSpan.FromSeconds(10));
        Tell(new() { EndToEnd = Histogram(0, 100, 100) });
        _board.Of("u")!.EndToEnd!.Counts.Should().Equal(0, 100, 100);
    }

    [Fact]
    public void Agent_clock_does_not_matter()
    {
        foreach (var hours in new[] { -3, 5, 100_000 })
        {
            _skew = TimeSpan.FromHours(hours);
            Tell(new() { RequestsWaiting = 4 }, age: TimeSpan.FromSeconds(2));
            _board.Of("u")!.At.Should().Be(_time.GetUtcNow() - TimeSpan.FromSeconds(2));
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        // A time in the future of the agent's clock counts as now.
        Tell(new() { RequestsWaiting = 4 }, age: TimeSpan.FromHours(-1));
        _board.Of("u")!.At.Should().Be(_time.GetUtcNow());
    }

    [Fact]
    public void Repeated_report_is_no_change_and_ages()
    {
        var pod = new PodSignal { RequestsWaiting = 3, GeneratedTokens = 5 };
        Tell(pod);
        var told = _time.GetUtcNow() + _skew;
        _time.Advance(TimeSpan.FromMinutes(2));
        _news.Clear();
        _board.Record(
            "n1",
            new()
            {
                Node = "n1",
                Now = _time.GetUtcNow() + _skew,
                Pods = [pod with { PodUid = "u", At = told }],
            }
        );
        _news.Should().BeEmpty();
        _board.Of("u")!.At.Should().Be(_time.GetUtcNow() - TimeSpan.FromMinutes(2));
    }

    [Fact]
    public void Devices_are_averaged_over_fifteen_seconds()
    {
        for (var i = 0; i < 30; i++)
        {
            Devices([i < 20 ? 100 : 20, 0], ["u"]);
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        // The last fifteen readings of the first device are ten times 20 and five times 100, less the one that is too old. The second is idle.
        _board.Of("u")!.GpuUtilizationPercent.Should().BeApproximately((10 * 20 + 4 * 100) / 14.0 / 2, 1e-9);
        _board.Of("u")!.RequestsWaiting.Should().BeNull();
        _time.Advance(TimeSpan.FromSeconds(20));
        _board.Of("u")!.GpuUtilizationPercent.Should().BeNull("no report has come since");
        _news.Should().HaveCount(30);
    }

    [Fact]
    public void Invalid_measurement_is_unknown()
    {
        Tell(
            new()
            {
                RequestsRunning = -1,
                RequestsWaiting = -5,
                CacheUse = double.NaN,
                GeneratedTokens = -7,
                FirstToken = new() { Bounds = [1, 1], Counts = [2, 1, 3] },
                EndToEnd = new() { Bounds = null!, Counts = null! },
            }
        );
        Devices([101, -1], ["u", null!]);
        _board.Of("u").Should().BeEquivalentTo(new PodSignals { At = _time.GetUtcNow() });
        _time.Advance(TimeSpan.FromSeconds(1));
        Tell(new() { CacheUse = 40, RequestsWaiting = 2 });
        _board.Of("u")!.CacheUse.Should().BeNull();
        _board.Record(
            "n1",
            new()
            {
                Node = "n1",
                Pods = [null!, new() { PodUid = null! }],
                Devices = null!,
            }
        );
        _board.Record(
            "n1",
            new()
            {
                Node = "n1",
                Now = DateTimeOffset.MaxValue,
                Pods =
                [
                    new()
                    {
                        PodUid = "u",
                        At = DateTimeOffset.MinValue,
                        RequestsWaiting = 1,
                    },
                ],
                Devices = [null!],
            }
        );
        _board.Of("u")!.At.Should().Be(_time.GetUtcNow() - TimeSpan.FromHours(1));
    }

    [Fact]
    public void Agent_report_counts_for_pods_of_its_own_node_only()
    {
        Tell(new() { RequestsWaiting = 3 }, uid: "v");
        Tell(new() { RequestsWaiting = 3 }, uid: "unknown");
        Devices([50], ["v"]);
        _board.Of("v").Should().BeNull();
        _news.Should().BeEmpty();
        Tell(new() { RequestsWaiting = 3 });
        _news.Should().Equal("u");
    }

    [Fact]
    public void Pods_that_are_gone_are_forgotten()
    {
        Tell(new() { RequestsWaiting = 3 });
        _nodes.Remove("u");
        _time.Advance(TimeSpan.FromMinutes(2));
        Tell(new() { RequestsWaiting = 3 }, uid: "v", node: "n2");
        _board.Of("u").Should().BeNull();
        // The pod is still bound, but its agent is silent or no longer reports it.
        _time.Advance(TimeSpan.FromMinutes(6));
        _board.Record("n1", new() { Node = "n1", Now = _time.GetUtcNow() });
        _board.Of("v").Should().BeNull();
        Tell(new() { RequestsWaiting = 3 }, uid: "v", node: "n2");
        _board.Forget("v");
        _board.Of("v").Should().BeNull();
    }

    private void Tell(PodSignal pod, TimeSpan age = default, string uid = "u", string node = "n1") =>
        _board.Record(
            node,
            new()
            {
                Node = node,
                Now = _time.GetUtcNow() + _skew,
                Pods = [pod with { PodUid = uid, At = _time.GetUtcNow() + _skew - age }],
            }
        );

    private void Devices(int[] percents, string[] holders) =>
        _board.Record(
            "n1",
            new()
            {
                Node = "n1",
                Now = _time.GetUtcNow() + _skew,
                Devices =
                [
                    .. percents.Select(
                        (percent, i) =>
                            new DeviceSignal
                            {
                                Device = $"GPU-{i}",
                                At = _time.GetUtcNow() + _skew,
                                UtilizationPercent = percent,
                                PodUids = holders,
                            }
                    ),
                ],
            }
        );

    private static HistogramSignal Histogram(params long[] counts) => new() { Bounds = [0.1, 1], Counts = counts };
}
