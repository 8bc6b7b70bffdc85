using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Core.State;

public sealed class OperatorStateTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Suspension_of_a_kind_with_its_group_in_the_name_round_trips()
    {
        var record = new SuspensionRecord
        {
            Workload = new("ns", "Job.batch.volcano.sh", "train", "j1"),
            ApiVersion = "batch.volcano.sh/v1alpha1",
            Field = new(new("batch.volcano.sh/v1alpha1", "Job", "train", "j1"), "/spec/suspend", "null", "true"),
            Since = Start,
            Reason = "WouldOverrun",
            Cause = new() { Since = Start, Reason = "WouldOverrun" },
            Budget = "nlp",
            BudgetUid = "b1",
        };
        StoredForm.Read(StoredForm.From(record)).Should().BeEquivalentTo(record);
    }

    [Fact]
    public void Suspension_record_keeps_its_first_original_until_it_is_restored()
    {
        var stored = new Dictionary<string, string>();
        var state = new OperatorState();
        var record = new SuspensionRecord
        {
            Workload = new("ns", "Job", "train", "j1"),
            ApiVersion = "batch/v1",
            Field = new(new("batch/v1", "Job", "train", "j1"), "/spec/suspend", "null", "true"),
            Since = Start,
            Reason = "WouldOverrun",
            Cause = new() { Since = Start, Reason = "WouldOverrun" },
            Budget = "nlp",
            BudgetUid = "b1",
            CostToFinish = HourlyCost.FromDecimal(2.48m).For(2_700_000),
        };
        state.RecordSuspension(record).Should().BeTrue();
        state.RecordSuspension(record with { Field = record.Field with { Original = "true" } }).Should().BeFalse();
        state
            .DirtyBudgetShards("b1")
            .Should()
            .ContainSingle()
            .Which.Suspensions.Should()
            .ContainSingle()
            .Which.Original.Should()
            .Be("null");
        state.SetBudgetMemory("ns", "nlp", "b1", new() { Announced = ["spent:50"] }).Should().BeTrue();
        state.SetBudgetMemory("ns", "nlp", "b1", new() { Announced = ["spent:50"] }).Should().BeFalse();
        for (var i = 0; i < 100; i++)
            state.AddDecision(
                "ns",
                "nlp",
                "b1",
                new()
                {
                    Time = Start.AddSeconds(i),
                    Action = "Suspend",
                    Reason = "WouldOverrun",
                    Text = $"{i}",
                    Inputs = new('x', 4000),
                }
            );
        LedgerWorld.Write(state, stored);
        stored.Should().ContainSingle().Which.Value.Length.Should().BeLessThan(GpuLedger.MaxShardBytes);

        state = LedgerWorld.ReadState(stored.Values);
        state.SuspensionsBy("b1").Should().ContainSingle().Which.Should().BeEquivalentTo(record);
        state.BudgetMemory("b1").Announced.Should().Equal("spent:50");
        state.Decisions("b1")[^1].Text.Should().Be("99");
        state.RememberedBudgets().Should().Equal(("ns", "nlp", "b1"));

        state.ForgetBudget("b1").Should().BeTrue();
        state.Suspensions().Should().ContainSingle().Which.Should().BeEquivalentTo(record);
        state.DropSuspension("b1", "j1", "/spec/suspend").Should().BeTrue();
        state.DropSuspension("b1", "j1", "/spec/suspend").Should().BeFalse();
        LedgerWorld.Write(state, stored);
        stored.Should().BeEmpty();
        state.IsDirty.Should().BeFalse();
    }
}
