using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Decisions;

namespace Bursar.Tests.Unit.Core.State;

/// <summary>
/// Records of a budget that suspended thousands of jobs fit API objects. An oversized object could not be written, so nothing more could be
/// suspended.
/// </summary>
public sealed class ManySuspendedTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 8, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(1)]
    [InlineData(60)]
    [InlineData(3000)]
    public void Suspension_records_of_any_number_fit_their_shards(int count)
    {
        var stored = new Dictionary<string, string>();
        var state = new OperatorState();
        for (var i = 0; i < count; i++)
            state.RecordSuspension(Record(i)).Should().BeTrue();
        state.SetBudgetMemory("ns", "nlp", "b1", new());
        LedgerWorld.Write(state, stored);
        stored.Values.Should().OnlyContain(shard => shard.Length < GpuLedger.MaxShardBytes);

        state = LedgerWorld.ReadState(stored.Values);
        state.SuspensionsBy("b1").Select(one => one.Uid).Should().Equal(Enumerable.Range(0, count).Select(i => Record(i).Uid));
        state.SuspensionsBy("b1")[^1].Should().BeEquivalentTo(Record(count - 1));
        state.RememberedBudgets().Should().Equal(("ns", "nlp", "b1"));
        state.RecordSuspension(Record(count - 1)).Should().BeFalse("the record is already stored in some shard");
        state.IsDirty.Should().BeFalse();

        state.ForgetBudget("b1");
        foreach (var record in Enumerable.Range(0, count).Select(Record))
            state.DropSuspension("b1", record.Uid, record.Field.Pointer).Should().BeTrue();
        LedgerWorld.Write(state, stored);
        LedgerWorld.Write(state, stored);
        stored.Should().BeEmpty();
        state.RememberedBudgets().Should().BeEmpty();
    }

    [Fact]
    public void Rewritten_record_stays_in_its_shard_and_freed_space_is_reused()
    {
        var state = new OperatorState();
        for (var i = 0; i < 500; i++)
            state.RecordSuspension(Record(i));
        var written = state.DirtyBudgetShards("b1");
        var last = written.Single(shard => shard.Suspensions!.Any(one => one.Uid == "job-499"));
        last.Index.Should().BeGreaterThan(0);
        foreach (var shard in written)
            state.MarkWritten(shard.Name, shard.Revision);
        state.DropSuspension("b1", "job-0", "/spec/suspend");
        foreach (var shard in state.DirtyBudgetShards("b1"))
            state.MarkWritten(shard.Name, shard.Revision);

        state.ReplaceSuspension(Record(499) with { Field = Record(499).Field with { Pointer = "/spec/active" } });

        var dirty = state.DirtyBudgetShards("b1").Should().ContainSingle().Subject;
        dirty.Name.Should().Be(last.Name);
        dirty.Suspensions!.Where(one => one.Uid == "job-499").Should().ContainSingle().Which.Field.Should().Be("/spec/active");
        state.RecordSuspension(Record(500));
        state.DirtyBudgetShards("b1").Should().Contain(shard => shard.Index == 0, "the first shard has space again");
    }

    [Fact]
    public void Decision_inputs_round_trip_and_oversized_ones_are_dropped()
    {
        var work = Enumerable
            .Range(0, 400)
            .Select(i => new WorkloadSnapshot
            {
                Key = new("ns", "Job", $"job-{i}", $"uid-{i}"),
                Class = WorkloadClass.Training,
                State = WorkloadState.Running,
                CreatedAt = Start.AddSeconds(i),
                Gpus = 8,
                Estimate = Bursar.Core.Forecast.Estimate.Unknown("nothing tells"),
                TerminationGrace = TimeSpan.FromSeconds(30),
            });
        var snapshot = Bursar.Tests.TestKit.Given.Budget(500m, [.. work]);

        var text = DecisionInputs.Write(snapshot);

        text.Length.Should().BeLessThan(48 * 1024);
        DecisionInputs.Write(DecisionInputs.Read(text)!).Should().Be(text);
        DecisionInputs.Read("").Should().BeNull();
        FluentActions.Invoking(() => DecisionInputs.Read("gzip:AAAA")).Should().Throw<FormatException>();
        FluentActions.Invoking(() => DecisionInputs.Read("gzip:?")).Should().Throw<FormatException>();
        FluentActions.Invoking(() => DecisionInputs.Read("{")).Should().Throw<FormatException>();

        var state = new OperatorState();
        state.AddDecision(
            "ns",
            "nlp",
            "b1",
            new()
            {
                Time = Start,
                Action = "Suspend",
                Reason = "WouldOverrun",
                Text = "why",
                Inputs = new('x', 200_000),
            }
        );
        state.Decisions("b1").Should().ContainSingle().Which.Should().Match<DecisionRecord>(one => one.Inputs == "" && one.Text == "why");
    }

    private static SuspensionRecord Record(int i) =>
        new()
        {
            Workload = new("ns", "Job", $"train-{i}", $"job-{i}"),
            ApiVersion = "batch/v1",
            Field = new(new("batch/v1", "Job", $"train-{i}", $"job-{i}"), "/spec/suspend", "false", "true"),
            Since = Start.AddSeconds(i),
            Reason = Reasons.DoesNotFit,
            Budget = "nlp",
            BudgetUid = "b1",
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string?> { ["team"] = "nlp" },
            Cause = new()
            {
                Since = Start,
                Reason = Reasons.DoesNotFit,
                WindowKey = "2026-11",
                Limit = Amount.FromDecimal(500m),
                Spent = Amount.FromDecimal(123.456789m),
                Confirmed = true,
            },
        };
}
