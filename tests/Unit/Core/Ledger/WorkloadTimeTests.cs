using Bursar.Core.Ledger;

namespace Bursar.Tests.Unit.Core.Ledger;

public sealed class WorkloadTimeTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Time_between_two_runs_of_a_suspended_job_is_not_GPU_time()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start.AddHours(-1));
        ledger.Observe(Pod("a", 0, 60));
        ledger.Observe(Pod("b", 30, 90));
        ledger.Observe(Pod("c", 600, 630));

        ledger.HeldTime("team", "uid", Start, Start.AddMinutes(630)).Should().Be(TimeSpan.FromMinutes(120));
        ledger.HeldTime("team", "uid", Start.AddHours(-2), Start.AddMinutes(630)).Should().BeNull("it began before the ledger");
        ledger.HeldTime("team", "other", Start, Start.AddMinutes(630)).Should().BeNull();
    }

    [Fact]
    public void Stopped_pods_do_not_count_as_pods_that_ended_by_themselves()
    {
        var ledger = new GpuLedger();
        ledger.Observe(Pod("late", 30, 90) with { Succeeded = true });
        ledger.Observe(Pod("stopped", 0, 60));
        ledger.Observe(Pod("failed", 0, 45) with { Succeeded = false });
        // The pod is deleted after its end.
        ledger.Observe(Pod("failed", 0, 45) with { IsGone = true });
        EndedPod[] ended =
        [
            new("failed", "failed", Start, TimeSpan.FromMinutes(45), false),
            new("late", "late", Start.AddMinutes(30), TimeSpan.FromMinutes(60), true),
        ];

        ledger.EndedPods("team", "uid").Should().Equal(ended);
        ledger.EndedPods("team", "other").Should().BeEmpty();
        GpuLedger.Load(ledger.DirtyShards()).EndedPods("team", "uid").Should().Equal(ended);
    }

    private static PodObservation Pod(string uid, int from, int to) =>
        new()
        {
            Uid = uid,
            Pod = uid,
            Workload = new("team", "Job", "train", "uid"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "node",
            Gpus = 1,
            ScheduledAt = Start.AddMinutes(from),
            FinishedAt = Start.AddMinutes(to),
            ObservedAt = Start.AddMinutes(to),
        };
}
