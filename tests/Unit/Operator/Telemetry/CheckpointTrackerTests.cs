using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Telemetry;

namespace Bursar.Tests.Unit.Operator.Telemetry;

public sealed class CheckpointTrackerTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 20, 10, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Tracker_reports_changes_only_and_the_request_with_less_time_left()
    {
        var tracker = new CheckpointTracker();
        var changes = 0;
        tracker.Changed += () => changes++;

        tracker.Set("one", [new("u", Request("one", 5))]);
        tracker.Set("one", [new("u", Request("one", 5))]);
        changes.Should().Be(1);
        tracker.Add("two", "u", Request("two", 3));
        tracker.Add("two", "u", Request("two", 3));
        changes.Should().Be(2);
        tracker.Get("u")!.Id.Should().Be("two");

        tracker.Set("two", []);
        tracker.Get("u")!.Id.Should().Be("one");
        tracker.Set("one", []);
        tracker.Get("u").Should().BeNull();
        changes.Should().Be(4);
    }

    [Fact]
    public void Checkpoint_request_is_part_of_the_agent_targets_and_their_revision()
    {
        var pod = new V1Pod
        {
            Metadata = new() { Name = "p", Uid = "u" },
            Spec = new(),
            Status = new(),
        };
        var wanted = new CheckpointWanted
        {
            Id = "nlp/x",
            Requested = At,
            Deadline = At.AddMinutes(5),
        };
        var without = AgentTargets.Create([pod], _ => WorkloadClass.Training);
        var with = AgentTargets.Create([pod], _ => WorkloadClass.Training, _ => wanted);

        without.Pods[0].Checkpoint.Should().BeNull();
        with.Pods[0].Checkpoint.Should().Be(wanted);
        with.Revision.Should().NotBe(without.Revision);
        AgentTargets
            .Create([pod], _ => WorkloadClass.Training, _ => null)
            .Revision.Should()
            .Be(without.Revision, "agents of an older version see what they saw");
    }

    private static CheckpointRequest Request(string id, int minutes) =>
        new()
        {
            Id = id,
            Work = "Job/a",
            Requested = At,
            Deadline = At.AddMinutes(minutes),
            Sentence = "",
            For = new() { Since = At, Reason = Reasons.ProjectedOverBudget },
        };
}
