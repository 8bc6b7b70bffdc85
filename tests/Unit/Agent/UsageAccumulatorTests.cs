using Bursar.Agent.Nvml;
using Bursar.Agent.Sampling;
using Bursar.Core.Usage;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Agent;

public sealed class UsageAccumulatorTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 21, 8, 0, 0, TimeSpan.Zero);

    private readonly UsageAccumulator _accumulator = new();

    [Fact]
    public void Minute_at_forty_percent_is_one_interval_of_24_seconds()
    {
        var closed = new List<UsageInterval>();
        for (int second = 0; second <= 60; second++)
            closed.AddRange(_accumulator.Record(Start.AddSeconds(second), [Holding("p")], Gpu(40, energy: 1000 * second)));

        closed
            .Should()
            .ContainSingle()
            .Which.Should()
            .BeEquivalentTo(
                new UsageInterval
                {
                    PodUid = "uid-p",
                    Namespace = "ns",
                    Pod = "p",
                    Container = "main",
                    Device = "GPU-a",
                    From = Start,
                    To = Start.AddSeconds(60),
                    BusyMs = 24_000,
                    EnergyMj = 60_000,
                }
            );
    }

    [Fact]
    public void Interval_of_a_new_pod_begins_where_the_old_one_ends()
    {
        _accumulator.Record(Start, [Holding("a")], Gpu(50));
        _accumulator.Record(Start.AddSeconds(10), [Holding("a")], Gpu(50));
        var first = _accumulator.Record(Start.AddSeconds(11), [Holding("b")], Gpu(50));
        _accumulator.Record(Start.AddSeconds(12), [Holding("b")], Gpu(100));
        var second = _accumulator.CloseAll();

        first
            .Should()
            .ContainSingle()
            .Which.Should()
            .Match<UsageInterval>(i => i.Pod == "a" && i.To == Start.AddSeconds(11) && i.BusyMs == 5500);
        second
            .Should()
            .ContainSingle()
            .Which.Should()
            .Match<UsageInterval>(i => i.Pod == "b" && i.From == Start.AddSeconds(11) && i.BusyMs == 1000);
    }

    [Fact]
    public void Pod_that_came_back_under_its_name_is_another_pod()
    {
        _accumulator.Record(Start, [Holding("a", uid: "1")], Gpu(50));
        _accumulator.Record(Start.AddSeconds(5), [Holding("a", uid: "1")], Gpu(50));
        _accumulator.Record(Start.AddSeconds(6), [Holding("a", uid: "2")], Gpu(50));
        _accumulator.Record(Start.AddSeconds(8), [Holding("a", uid: "2")], Gpu(50));
        var open = _accumulator.CloseAll();

        open.Should()
            .ContainSingle(i => i.Pod == "a")
            .Which.Should()
            .Match<UsageInterval>(i => i.PodUid == "2" && i.From == Start.AddSeconds(6));
        open.Should()
            .ContainSingle(i => i.Pod == "")
            .Which.Should()
            .Match<UsageInterval>(i => i.BusyMs == 500 && i.PodUid == null, "nobody knows whose the second of the change was");
    }

    [Fact]
    public void Energy_counter_that_fell_began_anew()
    {
        _accumulator.Record(Start, [Holding("a")], Gpu(50, energy: 9000));
        _accumulator.Record(Start.AddSeconds(1), [Holding("a")], Gpu(50, energy: 9500));
        _accumulator.Record(Start.AddSeconds(2), [Holding("a")], Gpu(50, energy: 300));

        _accumulator.CloseAll().Single().EnergyMj.Should().Be(800);
    }

    [Fact]
    public void Time_without_samples_or_by_a_clock_that_went_back_is_not_counted()
    {
        _accumulator.Record(Start, [Holding("a")], Gpu(100));
        _accumulator.Record(Start.AddSeconds(1), [Holding("a")], Gpu(100));
        var gap = _accumulator.Record(Start.AddSeconds(500), [Holding("a")], Gpu(100));
        var back = _accumulator.Record(Start.AddSeconds(100), [Holding("a")], Gpu(100));
        _accumulator.Record(Start.AddSeconds(501), [Holding("a")], Gpu(100));
        var rest = _accumulator.CloseAll();

        gap.Single().To.Should().Be(Start.AddSeconds(1));
        back.Should().BeEmpty();
        rest.Single().Should().Match<UsageInterval>(i => i.From == Start.AddSeconds(500) && i.BusyMs == 1000);
    }

    [Fact]
    public void Lost_device_ends_the_measured_interval_at_the_last_good_sample()
    {
        _accumulator.Record(Start, [Holding("a")], Gpu(50));
        _accumulator.Record(Start.AddSeconds(4), [Holding("a")], Gpu(50));
        var closed = _accumulator.Record(
            Start.AddSeconds(5),
            [Holding("a", reason: UsageReasons.DeviceLost)],
            new GpuSnapshot(NvmlState.Ready, "", [new GpuReading { Uuid = "GPU-a", Lost = true }])
        );
        var rest = _accumulator.CloseAll();

        closed.Single().Should().Match<UsageInterval>(i => i.To == Start.AddSeconds(4) && i.Reason == null && i.BusyMs == 2000);
        rest.Single()
            .Should()
            .Match<UsageInterval>(i =>
                i.From == Start.AddSeconds(4) && i.To == Start.AddSeconds(5) && i.Reason == UsageReasons.DeviceLost && i.BusyMs == 0
            );
    }

    /// <summary>Activity of a lost device is unknown. Its pod gets the time with the reason.</summary>
    [Theory]
    [InlineData(UsageReasons.DeviceLost)]
    [InlineData(UsageReasons.DeviceUnreadable)]
    public void Device_that_returns_is_measured_from_its_first_good_sample(string reason)
    {
        _accumulator.Record(
            Start,
            [Holding("a", reason: reason)],
            new GpuSnapshot(NvmlState.Ready, "", reason == UsageReasons.DeviceLost ? [new GpuReading { Uuid = "GPU-a", Lost = true }] : [])
        );
        var closed = _accumulator.Record(Start.AddSeconds(10), [Holding("a")], Gpu(100));
        _accumulator.Record(Start.AddSeconds(12), [Holding("a")], Gpu(100));
        var rest = _accumulator.CloseAll();

        closed
            .Should()
            .ContainSingle()
            .Which.Should()
            .Match<UsageInterval>(i => i.From == Start && i.To == Start.AddSeconds(10) && i.Reason == reason && i.BusyMs == 0);
        rest.Should()
            .ContainSingle()
            .Which.Should()
            .Match<UsageInterval>(i =>
                i.From == Start.AddSeconds(10) && i.To == Start.AddSeconds(12) && i.Reason == null && i.BusyMs == 2000
            );
    }

    /// <summary>Energy that the counter gained in ten minutes off the bus was not drawn in the second since.</summary>
    [Fact]
    public void Energy_while_the_device_was_lost_is_not_attributed()
    {
        _accumulator.Record(Start, [Holding("a")], Gpu(50, energy: 1000));
        for (int second = 10; second <= 600; second += 10)
            _accumulator.Record(
                Start.AddSeconds(second),
                [Holding("a", reason: UsageReasons.DeviceLost)],
                new GpuSnapshot(NvmlState.Ready, "", [new GpuReading { Uuid = "GPU-a", Lost = true }])
            );
        _accumulator.Record(Start.AddSeconds(601), [Holding("a"), Holding("b")], Gpu(50, energy: 240_000_000));
        _accumulator.Record(Start.AddSeconds(602), [Holding("a"), Holding("b")], Gpu(0, energy: 240_000_400));

        _accumulator.CloseAll().Select(i => (i.Pod, i.EnergyMj)).Should().Equal(("a", 200L), ("b", 200L));
    }

    /// <summary>
    /// The second of a failed call must not count twice: by power, and by the counter when it answers again.
    /// </summary>
    [Fact]
    public void Counter_that_fails_once_is_not_replaced_by_power_and_counted_twice()
    {
        static GpuSnapshot Draws(long? energy) =>
            new(
                NvmlState.Ready,
                "",
                [
                    new GpuReading
                    {
                        Uuid = "GPU-a",
                        UtilizationPercent = 50,
                        PowerMilliwatts = 400_000,
                        EnergyMillijoules = energy,
                    },
                ]
            );
        long?[] counter = [0, null, 800_000, null, null, 2_000_000];
        for (int second = 0; second < counter.Length; second++)
            _accumulator.Record(Start.AddSeconds(second), [Holding("a")], Draws(counter[second]));

        _accumulator.CloseAll().Single().EnergyMj.Should().Be(2_000_000);
    }

    /// <summary>No GPU draws ten kilowatts, so such an increase is a faulty reading.</summary>
    [Fact]
    public void Counter_that_shows_zero_once_does_not_charge_its_total_to_a_pod()
    {
        long[] counter = [9_000_000_000, 9_000_400_000, 0, 9_001_200_000, 9_001_600_000];
        for (int second = 0; second < counter.Length; second++)
            _accumulator.Record(Start.AddSeconds(second), [Holding("a")], Gpu(50, energy: counter[second]));

        _accumulator.CloseAll().Single().EnergyMj.Should().Be(400_000 + 0 + 400_000, "energy around the zero reading is unknown");
    }

    /// <summary>An exporter updates its counter every half minute.</summary>
    [Fact]
    public void Counter_that_moves_every_half_minute_loses_nothing()
    {
        var closed = new List<UsageInterval>();
        for (int second = 0; second <= 60; second++)
            closed.AddRange(_accumulator.Record(Start.AddSeconds(second), [Holding("a")], Gpu(50, energy: second / 30 * 21_000_000)));

        closed.Single().EnergyMj.Should().Be(42_000_000);
    }

    [Fact]
    public void Busy_time_of_a_long_interval_is_the_mean_of_its_ends()
    {
        _accumulator.Record(Start, [Holding("a")], Gpu(0));
        _accumulator.Record(Start.AddSeconds(10), [Holding("a")], Gpu(80));
        _accumulator.Record(Start.AddSeconds(11), [Holding("a")], Gpu(80));

        _accumulator.CloseAll().Single().BusyMs.Should().Be(4000 + 800);
    }

    [Fact]
    public void Pod_that_ended_between_samples_has_no_busy_time_afterwards()
    {
        _accumulator.Record(Start, [Holding("a")], Gpu(90));
        _accumulator.Record(Start.AddSeconds(1), [Holding("a")], Gpu(90));
        _accumulator.Record(Start.AddSeconds(11), [], Gpu(0)).Single().BusyMs.Should().Be(900);
    }

    [Fact]
    public void Energy_without_a_counter_is_power_times_time()
    {
        static GpuSnapshot Draws(int milliwatts) =>
            new(
                NvmlState.Ready,
                "",
                [
                    new GpuReading
                    {
                        Uuid = "GPU-a",
                        UtilizationPercent = 50,
                        PowerMilliwatts = milliwatts,
                    },
                ]
            );
        _accumulator.Record(Start, [Holding("a")], Draws(100_000));
        _accumulator.Record(Start.AddSeconds(1), [Holding("a")], Draws(100_000));
        _accumulator.Record(Start.AddSeconds(2), [Holding("a")], Draws(200_000));

        _accumulator.CloseAll().Single().EnergyMj.Should().Be(100_000 + 150_000);
    }

    [Fact]
    public void Intervals_join_without_overlap_and_their_sum_is_exact()
    {
        var steps = Gen.Zip(Gen.Choose(1, 9999), Gen.Choose(0, 100)).ListOf(200).ToArbitrary();
        Prop.ForAll(steps, list =>
            {
                var subject = new UsageAccumulator();
                var at = Start;
                var closed = subject.Record(at, [Holding("p")], Gpu(0));
                long halves = 0;
                int before = 0;
                foreach (var (ms, percent) in list)
                {
                    at = at.AddMilliseconds(ms);
                    halves += (long)ms * (ms > 2000 ? before + percent : 2 * percent);
                    before = percent;
                    closed.AddRange(subject.Record(at, [Holding("p")], Gpu(percent)));
                }
                closed.AddRange(subject.CloseAll());
                closed.Sum(i => i.BusyMs).Should().Be(halves / 200);
                closed.Select(i => i.From).Skip(1).Should().Equal(closed.Select(i => i.To).SkipLast(1));
                if (closed.Count > 0)
                    (closed[0].From, closed[^1].To).Should().Be((Start, at));
            })
            .QuickCheckThrowOnFailure();
    }

    private static DeviceHolding Holding(string pod, string? uid = null, string? reason = null) =>
        new(new HoldingKey("ns", pod, "main", "GPU-a"), uid ?? "uid-" + pod, reason);

    private static GpuSnapshot Gpu(int percent, long? energy = null) =>
        new(
            NvmlState.Ready,
            "",
            [
                new GpuReading
                {
                    Uuid = "GPU-a",
                    UtilizationPercent = percent,
                    EnergyMillijoules = energy,
                },
            ]
        );
}
