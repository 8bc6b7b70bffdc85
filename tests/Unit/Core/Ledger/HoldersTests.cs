using System.Text.Json;
using Bursar.Core.Ledger;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>Records of one field by more than one budget.</summary>
public sealed class HoldersTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_second_takes_over_the_firsts_original_and_the_last_one_gives_it_back()
    {
        var ledger = new GpuLedger();
        ledger.Park(Record("a", original: "3")).Should().BeTrue();
        ledger.Park(Record("b", original: "0")).Should().BeTrue();
        ledger.ParkedBy("b").Single().Original.Should().Be("3", "zero is what the first one wrote");
        ledger.HeldByOthers("ns", "b")["w"].Single().BudgetUid.Should().Be("a");
        ledger.HeldByOthers("elsewhere", "b").Should().BeEmpty();

        ledger.LeaveToOthers("a", "w", "/spec/replicas").Should().BeTrue();
        ledger.ParkedBy("a").Should().BeEmpty();
        ledger.LeaveToOthers("b", "w", "/spec/replicas").Should().BeFalse("nobody else would give it back");
        ledger.ParkedBy("b").Should().ContainSingle();
        ledger.Unpark("b", "w", "/spec/replicas").Should().BeTrue();
        ledger.Parked().Should().BeEmpty();
    }

    [Fact]
    public void Another_field_of_the_same_work_is_another_matter()
    {
        var ledger = new GpuLedger();
        ledger.Park(Record("a", "3"));
        ledger.Park(Record("b", "false") with { Field = "/spec/suspend" });
        ledger.ParkedBy("b").Single().Original.Should().Be("false");
        ledger.LeaveToOthers("a", "w", "/spec/replicas").Should().BeFalse();
    }

    [Fact]
    public void Of_two_that_leave_at_once_one_is_the_last()
    {
        for (var i = 0; i < 200; i++)
        {
            var ledger = new GpuLedger();
            ledger.Park(Record("a", "3"));
            ledger.Park(Record("b", "3"));
            var left = new bool[2];
            Parallel.For(0, 2, n => left[n] = ledger.LeaveToOthers(n == 0 ? "a" : "b", "w", "/spec/replicas"));
            left.Count(one => one).Should().Be(1);
            ledger.Parked().Should().ContainSingle();
        }
    }

    [Fact]
    public void What_it_said_when_it_was_parked_is_remembered_also_where_it_said_nothing()
    {
        var record = Record("a", "3") with
        {
            Labels = new Dictionary<string, string?> { ["pays"] = null, ["tier"] = "free" },
            Class = WorkClass.Inference,
        };
        var shard = new LedgerShard
        {
            Name = "s",
            Kind = LedgerShard.BudgetKind,
            Parked = [record],
        };
        var read = JsonSerializer
            .Deserialize(JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard), LedgerJson.Default.LedgerShard)!
            .Parked!.Single();

        read.Class.Should().Be(WorkClass.Inference);
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

    private static ParkedRecord Record(string budget, string original) =>
        new()
        {
            ApiVersion = "apps/v1",
            Kind = "Deployment",
            Namespace = "ns",
            Name = "chat",
            Uid = "w",
            Field = "/spec/replicas",
            Original = original,
            Value = "0",
            Since = Start,
            Reason = "BudgetExhausted",
            Budget = budget,
            BudgetUid = budget,
        };
}
