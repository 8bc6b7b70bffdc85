using Bursar.Core.Usage;
using Bursar.Operator.Telemetry;

namespace Bursar.Tests.Unit.Operator.Telemetry;

/// <summary>Since when the GPUs of a pod have been idle, from the intervals that agents report.</summary>
public sealed class GpuActivityTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 10, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Now = Start.AddMinutes(60);

    private readonly GpuActivity _activity = new(uid => uid is "pod" ? "gpu-1" : null);

    [Fact]
    public void Pod_is_quiet_since_its_first_measurement()
    {
        Measure("GPU-1", 0, 60, busyPercent: 2);

        QuietSince(1, belowPercent: 3).Should().Be(Start);
    }

    [Theory]
    [InlineData(2, 40)]
    [InlineData(3, 40)]
    [InlineData(50, 20)]
    [InlineData(51, 0)]
    public void Pod_is_quiet_since_it_last_worked_at_the_threshold(int belowPercent, int minutes)
    {
        Measure("GPU-1", 0, 19, busyPercent: 1);
        Measure("GPU-1", 19, 20, busyPercent: 50);
        Measure("GPU-1", 20, 39, busyPercent: 1);
        Measure("GPU-1", 39, 40, busyPercent: 3);
        Measure("GPU-1", 40, 60, busyPercent: 1);

        QuietSince(1, belowPercent).Should().Be(Start.AddMinutes(minutes));
    }

    [Fact]
    public void Busiest_of_several_gpus_counts()
    {
        Measure("GPU-1", 0, 60, busyPercent: 0);
        Measure("GPU-2", 0, 30, busyPercent: 90);
        Measure("GPU-2", 30, 60, busyPercent: 0);

        QuietSince(2).Should().Be(Start.AddMinutes(30));
    }

    [Fact]
    public void Gap_in_the_measurement_begins_the_time_again()
    {
        Measure("GPU-1", 0, 20, busyPercent: 0);
        Measure("GPU-1", 23, 60, busyPercent: 0);

        QuietSince(1).Should().Be(Start.AddMinutes(23));
    }

    [Fact]
    public void Unknown_activity_is_not_idle()
    {
        QuietSince(1).Should().BeNull("nothing was measured");

        Measure("GPU-1", 0, 60, busyPercent: 0);
        QuietSince(2).Should().BeNull("one of two GPUs is not measured");

        Measure("GPU-2", 0, 54, busyPercent: 0);
        QuietSince(2).Should().BeNull("the latest measurement of one is old");

        Measure("GPU-2", 54, 60, busyPercent: 0, reason: "utilization-unknown");
        QuietSince(2).Should().BeNull("the node could not measure one");
    }

    [Fact]
    public void Parts_of_one_gpu_are_measured_as_one()
    {
        Measure("GPU-1", 0, 60, busyPercent: 0, share: "1/4");

        QuietSince(2).Should().Be(Start);
    }

    [Fact]
    public void Device_that_was_not_requested_shows_work_only()
    {
        Measure("GPU-2", 0, 60, busyPercent: 0, reason: UsageInterval.NotRequested);
        QuietSince(1).Should().BeNull();

        Measure("GPU-1", 0, 60, busyPercent: 0);
        QuietSince(1).Should().Be(Start);

        Measure("GPU-2", 60, 61, busyPercent: 80, reason: UsageInterval.NotRequested);
        QuietSince(1).Should().Be(Start.AddMinutes(61));
    }

    [Fact]
    public void Report_of_another_node_is_ignored()
    {
        _activity.Record("gpu-2", [Interval("GPU-1", 0, 60, 0, null, "1/1")]);

        QuietSince(1).Should().BeNull();
    }

    [Fact]
    public void Report_that_is_read_again_changes_nothing()
    {
        Measure("GPU-1", 0, 30, busyPercent: 90);
        Measure("GPU-1", 30, 60, busyPercent: 0);
        Measure("GPU-1", 0, 30, busyPercent: 90);

        QuietSince(1).Should().Be(Start.AddMinutes(30));

        _activity.Forget("pod");
        QuietSince(1).Should().BeNull();
    }

    private void Measure(string device, int from, int to, int busyPercent, string? reason = null, string share = "1/1")
    {
        for (var minute = from; minute < to; minute++)
            _activity.Record("gpu-1", [Interval(device, minute, minute + 1, busyPercent, reason, share)]);
    }

    private static UsageInterval Interval(string device, int from, int to, int busyPercent, string? reason, string share) =>
        new()
        {
            PodUid = "pod",
            Container = "main",
            Device = device,
            Share = share,
            From = Start.AddMinutes(from),
            To = Start.AddMinutes(to),
            BusyMs = (to - from) * 600L * busyPercent,
            Reason = reason,
        };

    private DateTimeOffset? QuietSince(int gpus, int belowPercent = 3) => _activity.QuietSince("pod", gpus, belowPercent, Now);
}
