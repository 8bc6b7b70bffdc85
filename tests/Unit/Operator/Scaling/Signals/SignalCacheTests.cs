using Bursar.Agent.Endpoints;
using Bursar.Operator.Scaling.Signals;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Operator.Scaling.Signals;

public sealed class SignalCacheTests
{
    private readonly VirtualTimeProvider _time = new();
    private readonly Dictionary<string, string> _nodes = new() { ["u"] = "n1", ["v"] = "n2" };
    private readonly List<string> _changed = [];
    private readonly SignalCache _cache;

    /// <summary>Offset of the agent's clock.</summary>
    private TimeSpan _skew = TimeSpan.FromHours(-3);

    public SignalCacheTests()
    {
        _cache = new(uid => _nodes.GetValueOrDefault(uid), _time);
        _cache.Changed += uids => _changed.AddRange(uids);
    }

    [Fact]
    public void Rates_are_of_the_last_ten_seconds_and_need_two_readings()
    {
        Report(new() { GeneratedTokens = 1_000_000, PromptTokens = 0 });
        _cache.Get("u")!.GeneratedTokensPerSecond.Should().BeNull();
        for (var i = 1; i <= 30; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            // 100 per second for twenty seconds, then 400.
            Report(new() { GeneratedTokens = 1_000_000 + 100 * i + Math.Max(0, i - 20) * 300, PromptTokens = 7 * i });
            if (i == 20)
                _cache.Get("u")!.GeneratedTokensPerSecond.Should().BeApproximately(100, 1e-9);
        }
        _cache.Get("u")!.GeneratedTokensPerSecond.Should().BeApproximately(400, 1e-9);
        _cache.Get("u")!.PromptTokensPerSecond.Should().BeApproximately(7, 1e-9);
    }

    [Fact]
    public void Reset_counter_has_no_rate_until_it_is_read_twice()
    {
        Report(new() { GeneratedTokens = 1_000_000 });
        _time.Advance(TimeSpan.FromSeconds(1));
        Report(new() { GeneratedTokens = 1_000_100 });
        _time.Advance(TimeSpan.FromSeconds(1));
        Report(new() { GeneratedTokens = 50 });
        _cache.Get("u")!.GeneratedTokensPerSecond.Should().BeNull();
        _time.Advance(TimeSpan.FromSeconds(2));
        Report(new() { GeneratedTokens = 250 });
        _cache.Get("u")!.GeneratedTokensPerSecond.Should().BeApproximately(100, 1e-9);
    }

    [Fact]
    public void Rate_needs_two_readings_within_a_bounded_time()
    {
        Report(new() { GeneratedTokens = 0 });
        _time.Advance(TimeSpan.FromSeconds(30));
        Report(new() { GeneratedTokens = 300 });
        _cache.Get("u")!.GeneratedTokensPerSecond.Should().BeApproximately(10, 1e-9);
        _time.Advance(TimeSpan.FromHours(1));
        Report(new() { GeneratedTokens = 9_000_000 });
        _cache.Get("u")!.GeneratedTokensPerSecond.Should().BeNull();
    }

    [Fact]
    public void Histograms_are_the_last_minutes_increase()
    {
        // One request per second: 0.05 s each in the first minute, then 0.7 s.
        _cache.Get("u").Should().BeNull();
        for (var i = 0; i <= 200; i++)
        {
            Report(new() { FirstToken = Histogram(Math.Min(1000 + i, 1060), 1000 + i, 1000 + i) });
            if (i == 0)
                _cache.Get("u")!.FirstToken.Should().BeNull("there is no earlier reading");
            if (i == 30)
                _cache.Get("u")!.FirstToken!.Counts.Should().Equal(30, 30, 30);
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        var last = _cache.Get("u")!.FirstToken!;
        last.Count.Should().BeInRange(60, 65);
        last.Counts[0].Should().Be(0);
        last.Quantile(0.5).Should().BeApproximately(0.55, 1e-9);
    }

    [Fact]
    public void Histogram_of_a_restarted_server_counts_from_the_restart()
    {
        Report(new() { EndToEnd = Histogram(10, 10, 10) });
        _time.Advance(TimeSpan.FromSeconds(10));
        Report(new() { EndToEnd = Histogram(20, 20, 20) });
        _time.Advance(TimeSpan.FromSeconds(10));
        Report(new() { EndToEnd = Histogram(0, 5, 5) });
        _cache.Get("u")!.EndToEnd!.Counts.Should().Equal(0, 5, 5);
        _time.Advance(TimeSpan.FromSeconds(10));
        Report(new() { EndToEnd = Histogram(0, 100, 100) });
        _cache.Get("u")!.EndToEnd!.Counts.Should().Equal(0, 100, 100);
    }

    [Fact]
    public void Agent_clock_does_not_matter()
    {
        foreach (var hours in new[] { -3, 5, 100_000 })
        {
            _skew = TimeSpan.FromHours(hours);
            Report(new() { RequestsWaiting = 4 }, age: TimeSpan.FromSeconds(2));
            _cache.Get("u")!.At.Should().Be(_time.GetUtcNow() - TimeSpan.FromSeconds(2));
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        // A time in the future of the agent's clock counts as now.
        Report(new() { RequestsWaiting = 4 }, age: TimeSpan.FromHours(-1));
        _cache.Get("u")!.At.Should().Be(_time.GetUtcNow());
    }

    [Fact]
    public void Repeated_report_is_no_change_and_ages()
    {
        var pod = new PodSignal { RequestsWaiting = 3, GeneratedTokens = 5 };
        Report(pod);
        var told = _time.GetUtcNow() + _skew;
        _time.Advance(TimeSpan.FromMinutes(2));
        _changed.Clear();
        _cache.Record(
            "n1",
            new()
            {
                Node = "n1",
                Now = _time.GetUtcNow() + _skew,
                Pods = [pod with { PodUid = "u", At = told }],
            }
        );
        _changed.Should().BeEmpty();
        _cache.Get("u")!.At.Should().Be(_time.GetUtcNow() - TimeSpan.FromMinutes(2));
    }

    [Fact]
    public void Devices_are_averaged_over_fifteen_seconds()
    {
        for (var i = 0; i < 30; i++)
        {
            Devices([i < 20 ? 100 : 20, 0], ["u"]);
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        // The last fifteen readings of the first device are ten times 20 and five times 100, less one that is too old. The second is idle.
        _cache.Get("u")!.GpuUtilizationPercent.Should().BeApproximately((10 * 20 + 4 * 100) / 14.0 / 2, 1e-9);
        _cache.Get("u")!.RequestsWaiting.Should().BeNull();
        _time.Advance(TimeSpan.FromSeconds(20));
        _cache.Get("u")!.GpuUtilizationPercent.Should().BeNull("no report has come since");
        _changed.Should().HaveCount(30);
    }

    [Fact]
    public void Invalid_measurement_is_unknown()
    {
        Report(
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
        _cache.Get("u").Should().BeEquivalentTo(new PodSignals { At = _time.GetUtcNow() });
        _time.Advance(TimeSpan.FromSeconds(1));
        Report(new() { CacheUse = 40, RequestsWaiting = 2 });
        _cache.Get("u")!.CacheUse.Should().BeNull();
        _cache.Record(
            "n1",
            new()
            {
                Node = "n1",
                Pods = [null!, new() { PodUid = null! }],
                Devices = null!,
            }
        );
        _cache.Record(
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
        _cache.Get("u")!.At.Should().Be(_time.GetUtcNow() - TimeSpan.FromHours(1));
    }

    [Fact]
    public void Agent_report_counts_for_pods_of_its_own_node_only()
    {
        Report(new() { RequestsWaiting = 3 }, uid: "v");
        Report(new() { RequestsWaiting = 3 }, uid: "unknown");
        Devices([50], ["v"]);
        _cache.Get("v").Should().BeNull();
        _changed.Should().BeEmpty();
        Report(new() { RequestsWaiting = 3 });
        _changed.Should().Equal("u");
    }

    [Fact]
    public void Deleted_pods_are_removed()
    {
        Report(new() { RequestsWaiting = 3 });
        _nodes.Remove("u");
        _time.Advance(TimeSpan.FromMinutes(2));
        Report(new() { RequestsWaiting = 3 }, uid: "v", node: "n2");
        _cache.Get("u").Should().BeNull();
        // The pod is still bound, but its agent is silent or no longer reports it.
        _time.Advance(TimeSpan.FromMinutes(6));
        _cache.Record("n1", new() { Node = "n1", Now = _time.GetUtcNow() });
        _cache.Get("v").Should().BeNull();
        Report(new() { RequestsWaiting = 3 }, uid: "v", node: "n2");
        _cache.Forget("v");
        _cache.Get("v").Should().BeNull();
    }

    private void Report(PodSignal pod, TimeSpan age = default, string uid = "u", string node = "n1") =>
        _cache.Record(
            node,
            new()
            {
                Node = node,
                Now = _time.GetUtcNow() + _skew,
                Pods = [pod with { PodUid = uid, At = _time.GetUtcNow() + _skew - age }],
            }
        );

    private void Devices(int[] percents, string[] holders) =>
        _cache.Record(
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
