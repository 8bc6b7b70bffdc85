using Bursar.Agent;
using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Core.Usage;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Unit.Agent;

public sealed class SamplerTests : IGpuReader, IPodResources
{
    private readonly VirtualTimeProvider _time = new(AgentClock.Start);
    private readonly UsageJournal _journal;
    private readonly Sampler _sampler;
    private Func<double, int> _utilization = _ => 0;
    private IReadOnlyList<PodDevice> _devices = [new PodDevice("ns", "p", "c", "nvidia.com/gpu", "GPU-a")];
    private int[] _pids = [];
    private long _energy;
    private DateTimeOffset _read;
    private readonly List<double> _readAt = [];
    private readonly DateTimeOffset _start;

    public SamplerTests()
    {
        _start = _read = _time.GetUtcNow();
        _journal = UsageJournal.Open(new JournalOptions(), new Random(1), _time, NullLogger.Instance);
        _sampler = new Sampler(
            this,
            this,
            new PodUidResolver(new TargetStore(), null, null, _time),
            _journal,
            new AgentCounters(),
            _time,
            NullLogger<Sampler>.Instance
        );
    }

    [Fact]
    public async Task Sampling_interval_grows_while_idle_and_resets_on_a_change()
    {
        _utilization = at => at < 60 ? 0 : 50;

        await RunAsync(64);

        // 1 s after the first sample, then doubled with each unchanged sample, at most 10 s.
        _readAt.TakeWhile(at => at < 60).Should().Equal(0, 1, 3, 7, 15, 25, 35, 45, 55);
        var later = _readAt.SkipWhile(at => at < 60).ToArray();
        later[0].Should().Be(65, "the change is seen at the next sample");
        later.Should().HaveCount(1);
        _sampler.Pause.Should().Be(Sampler.Shortest);
    }

    [Fact]
    public async Task Long_sampling_intervals_keep_energy_exact_and_busy_time_close()
    {
        // Idle and busy phases of random length.
        var random = new Random(7);
        var edges = new List<double> { 0 };
        while (edges[^1] < 6000)
            edges.Add(edges[^1] + 20 + 70 * random.NextDouble());
        bool Works(double at) => edges.FindLastIndex(edge => edge <= at) % 2 == 1;
        _utilization = at => Works(at) ? 100 : 0;

        var intervals = await RunAsync(6000);

        _readAt.Count.Should().BeLessThan(2000, "this tests long intervals");
        double worked = Enumerable.Range(0, (int)_readAt[^1] * 10).Count(tenth => Works(tenth / 10.0)) * 100.0;
        double last = _readAt[^1];
        intervals.Sum(i => i.EnergyMj).Should().Be((long)(last * 1000));
        intervals.Where(i => i.Pod == "p").Sum(i => i.BusyMs).Should().BeInRange((long)(worked * 0.97), (long)(worked * 1.03));
        intervals.Sum(i => (i.To - i.From).TotalSeconds).Should().Be(last, "the intervals join");
    }

    [Fact]
    public async Task Another_process_is_a_change()
    {
        _pids = [41];
        await _sampler.SampleAsync(default);
        var first = _sampler.View!;
        _pids = [42];
        await _sampler.SampleAsync(default);

        Sampler.Same(first, first).Should().BeTrue();
        Sampler.Same(first, _sampler.View!).Should().BeFalse("one ended and another began");
    }

    [Fact]
    public async Task Activity_on_an_unallocated_device_queries_the_kubelet_at_once()
    {
        _devices = [];
        await _sampler.SampleAsync(default);
        _time.Advance(TimeSpan.FromSeconds(1));
        _devices = [new PodDevice("ns", "p", "c", "nvidia.com/gpu", "GPU-a")];
        _utilization = _ => 30;

        await _sampler.SampleAsync(default);

        _sampler.View!.Holdings.Should().ContainSingle().Which.Key.Pod.Should().Be("p", "the kubelet is polled every five seconds");
    }

    /// <summary>The clock skips twenty seconds, in which no device was busy.</summary>
    [Fact]
    public async Task Clock_jump_adds_no_busy_time()
    {
        _utilization = _ => 100;
        await _sampler.SampleAsync(default);
        _time.Advance(TimeSpan.FromSeconds(1));
        await _sampler.SampleAsync(default);

        _time.SkewWall(TimeSpan.FromSeconds(20));
        _time.Advance(TimeSpan.FromSeconds(1));
        await _sampler.SampleAsync(default);
        _time.Advance(TimeSpan.FromSeconds(1));
        await _sampler.SampleAsync(default);
        await _sampler.RunAsync(new CancellationToken(true));

        _journal
            .Read("n", null)
            .Intervals.Select(i => ((i.From - _start).TotalSeconds, (i.To - _start).TotalSeconds, i.BusyMs))
            .Should()
            .Equal((0, 1, 1000), (22, 23, 1000));
    }

    public GpuSnapshot Read()
    {
        var now = _time.GetUtcNow();
        _energy += (long)(now - _read).TotalMilliseconds;
        _read = now;
        double at = (now - _start).TotalSeconds;
        _readAt.Add(at);
        return new GpuSnapshot(
            NvmlState.Ready,
            "ready",
            [
                new GpuReading
                {
                    Uuid = "GPU-a",
                    UtilizationPercent = _utilization(at),
                    EnergyMillijoules = _energy,
                    Processes = [.. _pids.Select(pid => new GpuProcess(pid, null))],
                },
            ]
        );
    }

    public Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken) => Task.FromResult(_devices);

    public void Dispose() => _journal.Dispose();

    /// <summary>Runs the sampler for the given seconds plus one sample. Returns all journal entries, the last interval included.</summary>
    private async Task<IReadOnlyList<UsageInterval>> RunAsync(int seconds)
    {
        using var stop = new CancellationTokenSource();
        var running = _sampler.RunAsync(stop.Token);
        await Eventually.TrueAsync(() => _time.Pending == 1, "the first sample is taken");
        for (int second = 0; second < seconds || _sampler.Pause != Sampler.Shortest && second < seconds + 10; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Eventually.TrueAsync(() => _time.Pending == 1, "the sampler waits again");
        }
        await stop.CancelAsync();
        await running;
        return _journal.Read("n", null).Intervals;
    }
}
