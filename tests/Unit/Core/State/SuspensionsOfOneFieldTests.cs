using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.State;

namespace Bursar.Tests.Unit.Core.State;

/// <summary>Records of one field by more than one budget.</summary>
public sealed class SuspensionsOfOneFieldTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Second_budget_inherits_the_original_and_the_last_one_restores_it()
    {
        var state = new OperatorState();
        state.RecordSuspension(Record("a", original: "3")).Should().BeTrue();
        state.RecordSuspension(Record("b", original: "0")).Should().BeTrue();
        state.SuspensionsBy("b").Single().Field.Original.Should().Be("3", "zero is the value that the first budget wrote");
        state.SuspendedByOthers(["ns"], "b")["w"].Single().BudgetUid.Should().Be("a");
        state.SuspendedByOthers(["elsewhere"], "b").Should().BeEmpty();

        state.LeaveToOthers("a", "w", "/spec/replicas").Should().BeTrue();
        state.SuspensionsBy("a").Should().BeEmpty();
        state.LeaveToOthers("b", "w", "/spec/replicas").Should().BeFalse("no other budget would restore it");
        state.SuspensionsBy("b").Should().ContainSingle();
        state.DropSuspension("b", "w", "/spec/replicas").Should().BeTrue();
        state.Suspensions().Should().BeEmpty();
    }

    [Fact]
    public void Another_field_of_the_same_workload_has_its_own_records()
    {
        var state = new OperatorState();
        state.RecordSuspension(Record("a", "3"));
        state.RecordSuspension(Record("b", "false") with { Field = Record("b", "false").Field with { Pointer = "/spec/suspend" } });
        state.SuspensionsBy("b").Single().Field.Original.Should().Be("false");
        state.LeaveToOthers("a", "w", "/spec/replicas").Should().BeFalse();
    }

    [Fact]
    public void Concurrent_departure_of_two_budgets_leaves_one_last()
    {
        for (var i = 0; i < 200; i++)
        {
            var state = new OperatorState();
            state.RecordSuspension(Record("a", "3"));
            state.RecordSuspension(Record("b", "3"));
            var left = new bool[2];
            Parallel.For(0, 2, n => left[n] = state.LeaveToOthers(n == 0 ? "a" : "b", "w", "/spec/replicas"));
            left.Count(one => one).Should().Be(1);
            state.Suspensions().Should().ContainSingle();
        }
    }

    [Fact]
    public void Labels_at_suspension_are_stored_also_when_absent()
    {
        var record = Record("a", "3") with
        {
            Labels = new Dictionary<string, string?> { ["pays"] = null, ["tier"] = "free" },
            Class = WorkloadClass.Inference,
        };
        var shard = new LedgerShard
        {
            Name = "s",
            Kind = LedgerShard.BudgetKind,
            Suspensions = [StoredForm.From(record)],
        };
        var read = StoredForm.Read(
            JsonSerializer
                .Deserialize(JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard), LedgerJson.Default.LedgerShard)!
                .Suspensions!.Single()
        );

        read.Class.Should().Be(WorkloadClass.Inference);
        read.Keep(
                new Dictionary<string, string>
                {
                    ["pays"] = "nobody",
                    ["tier"] = "prod",
                    ["app"] = "chat",
                }
            )
            .Should()
            .BeEquivalentTo(new Dictionary<string, string> { ["tier"] = "free", ["app"] = "chat" });
        (Record("a", "3")).Keep(new Dictionary<string, string> { ["app"] = "chat" }).Should().ContainKey("app");
    }

    private static SuspensionRecord Record(string budget, string original) =>
        new()
        {
            Workload = new("ns", "Deployment", "chat", "w"),
            ApiVersion = "apps/v1",
            Field = new(new("apps/v1", "Deployment", "chat", "w"), "/spec/replicas", original, "0"),
            Since = Start,
            Reason = "BudgetExhausted",
            Cause = new() { Since = Start, Reason = "BudgetExhausted" },
            Budget = budget,
            BudgetUid = budget,
        };
}
