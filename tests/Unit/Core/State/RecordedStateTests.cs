using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;

namespace Bursar.Tests.Unit.Core.State;

/// <summary>
/// Ledger objects of main at 1aeb260, recorded from operators on the embedded cluster. They load into the same state. Only renamed reasons
/// differ in the text that is written back, so an operator of that version can read it after a rollback.
/// </summary>
public sealed class RecordedStateTests
{
    private const string Elastic = "16918813-886d-42bc-8144-d5e3922476a7";
    private const string Checkpoint = "06882c1e-11be-4c94-abbe-9406f564dda9";
    private const string Labels = "cd72852c-5b9b-4330-8739-b842af9ad2f4";
    private const string CronJob = "01ee7b95-4bca-486f-8ecd-1ce1a560332f";
    private const string Replicas = "3e819094-9cc6-4e64-8437-27a764db5dd8";

    private static readonly DateTimeOffset Nine = new(2026, 11, 21, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Recorded_objects_are_written_back_as_the_same_text()
    {
        var recorded = Recorded().ToDictionary(shard => shard.Name, StringComparer.Ordinal);
        recorded.Should().HaveCount(8);
        // Dropping one run and recording it again changes the shard and nothing else.
        var series = recorded["series.team"];
        var last = series.Series![0].Runs[^1];
        var state = OperatorState.Load(
            recorded.Values.Select(shard =>
                shard == series ? shard with { Series = [new(series.Series[0].Series, [.. series.Series[0].Runs.SkipLast(1)])] } : shard
            )
        );
        state.IsDirty.Should().BeFalse();
        state.RecordRun("team", series.Series[0].Series, last).Should().BeTrue();
        foreach (var (ns, name, uid) in state.RememberedBudgets())
        {
            var memory = state.BudgetMemory(uid);
            state.SetBudgetMemory(ns, name, uid, new()).Should().BeTrue();
            state.SetBudgetMemory(ns, name, uid, memory).Should().BeTrue();
        }
        foreach (var record in state.Scaled())
        {
            state.RecordScaled(record with { Since = record.Since.AddDays(1) }).Should().BeTrue();
            state.RecordScaled(record).Should().BeTrue();
        }

        var written = state.DirtyShards();

        written.Select(shard => shard.Name).Should().BeEquivalentTo(recorded.Keys);
        foreach (var shard in written)
            Text(shard with { Revision = 0 })
                .Should()
                .Be(
                    Text(recorded[shard.Name] with { Revision = 0 })
                        .Replace("\"ParkedAgain\"", $"\"{Reasons.SuspendedAgain}\"", StringComparison.Ordinal)
                );
    }

    [Fact]
    public void Recorded_reasons_have_their_present_names() =>
        OperatorState.Load(Recorded()).Decisions(Elastic).Select(one => one.Reason).Should().Contain(Reasons.SuspendedAgain);

    [Fact]
    public void Renamed_reason_of_a_stored_suspension_is_read_by_its_new_name()
    {
        var shard = Recorded().First(one => one.Suspensions is { Count: > 0 });
        var stored = shard.Suspensions![0] with { Reason = "ParkedAgain" };
        stored = stored with { Cause = stored.Cause.Replace(shard.Suspensions[0].Reason, "ParkedAgain", StringComparison.Ordinal) };

        var record = StoredForm.Read(stored);

        (record.Reason, record.Cause.Reason).Should().Be((Reasons.SuspendedAgain, Reasons.SuspendedAgain));
    }

    [Fact]
    public void Recorded_objects_have_no_field_that_is_not_read()
    {
        foreach (var file in Files())
            JsonNode
                .DeepEquals(JsonNode.Parse(Text(Read(file))), JsonNode.Parse(File.ReadAllText(file))!["spec"]!["data"])
                .Should()
                .BeTrue("nothing of {0} is lost", Path.GetFileName(file));
    }

    [Fact]
    public void Recorded_suspensions_have_their_fields_and_causes()
    {
        var state = OperatorState.Load(Recorded());

        var elastic = state.SuspensionsBy(Elastic).Should().ContainSingle().Subject;
        elastic
            .Field.Object.Should()
            .Be(new ObjectRef("kueue.x-k8s.io/v1beta2", "Workload", "job-train", "78223a59-3f36-484f-8f26-e1d5db09b31f"));
        elastic.Also.Select(one => one.Name).Should().Equal("job-train-slice-3", "job-train-slice-2");
        (elastic.IsThroughManager, elastic.Field.Pointer, elastic.Field.Original, elastic.Field.Value)
            .Should()
            .Be((true, "/spec/active", "true", "false"));
        var cause = elastic.Cause;
        (cause.Reason, cause.Confirmed, cause.WindowKey).Should().Be((Reasons.BudgetExhausted, false, "2026-11"));
        cause.Reverted.Should().Equal(Nine.AddSeconds(14));

        var cronJob = state.SuspensionsBy(CronJob).Should().ContainSingle().Subject;
        (cronJob.IsThroughManager, cronJob.Field)
            .Should()
            .Be(
                (
                    false,
                    new FieldOverride(
                        new("batch/v1", "Job", "nightly-1", "38b43608-b76a-4fb6-a723-7c8bd6f98575"),
                        "/spec/suspend",
                        "false",
                        "true"
                    )
                )
            );
        cronJob
            .CronJob.Should()
            .Be(
                new FieldOverride(
                    new("batch/v1", "CronJob", "nightly", "baaedc09-f858-4589-99c4-f71079e80dc5"),
                    "/spec/suspend",
                    "false",
                    "true"
                )
            );
        cronJob.Cause.EnoughLimit!.Value.ToString(2).Should().Be("8.22");

        var replicas = state.SuspensionsBy(Replicas).Should().ContainSingle().Subject;
        (replicas.Kind, replicas.Replicas, replicas.Class, replicas.Field.Original, replicas.Field.Value)
            .Should()
            .Be(("Deployment", 1, WorkloadClass.Inference, "null", "\"0\""));
        replicas.Field.Object.Kind.Should().Be("ScaledObject");

        state
            .SuspensionsBy(Labels)
            .Should()
            .ContainSingle()
            .Which.Labels.Should()
            .BeEquivalentTo(new Dictionary<string, string?> { ["app"] = "shared" });
        state
            .SuspensionsBy(Checkpoint)
            .Single()
            .Cause.Should()
            .Match<SuspendedSnapshot>(one => one.ByForecast && one.CheckpointRequestedAt == Nine.AddSeconds(61));
    }

    [Fact]
    public void Recorded_budgets_have_their_memory_decisions_and_window()
    {
        var state = OperatorState.Load(Recorded());

        var memory = state.BudgetMemory(Checkpoint);
        (memory.WindowKey, memory.FirstSeen, memory.SpecGeneration).Should().Be(("2026-11", Nine, 1L));
        memory.Announced.Should().Equal("projected:100", "projected:50", "projected:80");
        memory.Checkpoints.Should().ContainSingle();
        memory.Progress.Should().ContainSingle().Which.Value.Points.Should().NotBeEmpty();
        memory.Marks.Should().ContainSingle().Which.Value.Step.Should().Be(666);
        memory.Spec.Should().StartWith("{");
        state.Decisions(Checkpoint).Select(one => one.Action).Should().Equal("RequestCheckpoint", nameof(ActionKind.Suspend));
        DecisionInputs.Read(state.Decisions(Checkpoint)[^1].Inputs)!.Workloads.Should().ContainSingle();
        state.OpenWindow(Checkpoint)!.Limit.ToString(2).Should().Be("2.00");
        state.RememberedBudgets().Should().HaveCount(5).And.Contain(("team", "a", Labels));
    }

    [Fact]
    public void Recorded_scalers_have_their_fields_and_series_their_runs()
    {
        var state = OperatorState.Load(Recorded());

        var service = state.Scaled().Single(one => one.Target.Kind == "InferenceService");
        (service.Namespace, service.ScalerName, service.ScalerUid).Should().Be(("cap-release", "chat", "scaler-cap-release"));
        var stop = service.Field("/metadata/annotations/serving.kserve.io~1stop")!;
        (stop.Original, stop.Value, stop.Before).Should().Be(("\"false\"", "\"true\"", "\"false\""));
        var most = service.Field("/spec/predictor/maxReplicas")!;
        (most.Original, most.Value, most.Before).Should().Be(("4", "2", null));
        state.Scaled().Count(one => one.Target.Kind == "ScaledObject").Should().Be(2);
        state
            .Runs("team", "named/nightly")
            .Select(run => (run.EndedAt, run.DurationMs, run.Steps, run.Piece))
            .Should()
            .Equal(
                (Nine.AddSeconds(121), 121000, null, null),
                (Nine.AddSeconds(242), 121000, null, null),
                (Nine.AddSeconds(363), 121000, null, null)
            );
    }

    private static IEnumerable<LedgerShard> Recorded() => Files().Select(Read);

    private static string[] Files() => Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Core", "State", "Recorded"), "*.json");

    private static LedgerShard Read(string file) =>
        GpuLedgerShards.Read(JsonSerializer.Deserialize(File.ReadAllText(file), V1Alpha1GpuLedger.JsonTypeInfo)!)!;

    private static string Text(LedgerShard shard) => JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard);
}
