using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Decisions;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>
/// A budget that holds thousands of jobs: its records do not outgrow the objects of the API, which would end every parking.
/// </summary>
public sealed class ManyParkedTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 8, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(1)]
    [InlineData(60)]
    [InlineData(3000)]
    public void However_much_is_parked_no_shard_outgrows_its_object_and_all_of_it_comes_back(int count)
    {
        var stored = new Dictionary<string, string>();
        var ledger = new GpuLedger();
        for (var i = 0; i < count; i++)
            ledger.Park(Record(i)).Should().BeTrue();
        ledger.SetBudgetMemory("ns", "nlp", "b1", "{}");
        LedgerWorld.Write(ledger, stored);
        stored.Values.Should().OnlyContain(shard => shard.Length < GpuLedger.MaxShardBytes);

        ledger = LedgerWorld.Read(stored.Values);
        ledger.ParkedBy("b1").Select(one => one.Uid).Should().Equal(Enumerable.Range(0, count).Select(i => Record(i).Uid));
        ledger.ParkedBy("b1")[^1].Should().BeEquivalentTo(Record(count - 1));
        ledger.RememberedBudgets().Should().Equal(("ns", "nlp", "b1"));
        ledger.Park(Record(count - 1)).Should().BeFalse("it stands, in whichever shard");
        ledger.IsDirty.Should().BeFalse();

        ledger.ForgetBudget("b1");
        foreach (var record in Enumerable.Range(0, count).Select(Record))
            ledger.Unpark("b1", record.Uid, record.Field).Should().BeTrue();
        LedgerWorld.Write(ledger, stored);
        LedgerWorld.Write(ledger, stored);
        stored.Should().BeEmpty();
        ledger.RememberedBudgets().Should().BeEmpty();
    }

    [Fact]
    public void A_record_that_is_written_anew_stays_in_its_shard_and_room_is_used_again()
    {
        var ledger = new GpuLedger();
        for (var i = 0; i < 500; i++)
            ledger.Park(Record(i));
        var written = ledger.DirtyBudgetShards("b1");
        var last = written.Single(shard => shard.Parked!.Any(one => one.Uid == "job-499"));
        last.Index.Should().BeGreaterThan(0);
        foreach (var shard in written)
            ledger.MarkWritten(shard.Name, shard.Revision);
        ledger.Unpark("b1", "job-0", "/spec/suspend");
        foreach (var shard in ledger.DirtyBudgetShards("b1"))
            ledger.MarkWritten(shard.Name, shard.Revision);

        ledger.Repark(Record(499) with { Field = "/spec/active", Cause = "{}" });

        var dirty = ledger.DirtyBudgetShards("b1").Should().ContainSingle().Subject;
        dirty.Name.Should().Be(last.Name);
        dirty.Parked!.Where(one => one.Uid == "job-499").Should().ContainSingle().Which.Field.Should().Be("/spec/active");
        ledger.Park(Record(500));
        ledger.DirtyBudgetShards("b1").Should().Contain(shard => shard.Index == 0, "the first has room again");
    }

    [Fact]
    public void Inputs_come_back_as_they_were_and_what_no_object_can_hold_is_left_out()
    {
        var work = Enumerable
            .Range(0, 400)
            .Select(i => new WorkloadSnapshot
            {
                Key = new("ns", "Job", $"job-{i}", $"uid-{i}"),
                Class = WorkClass.Training,
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

        var ledger = new GpuLedger();
        ledger.AddDecision(
            "ns",
            "nlp",
            "b1",
            new()
            {
                Time = Start,
                Action = "Park",
                Reason = "WouldOverrun",
                Text = "why",
                Inputs = new('x', 200_000),
            }
        );
        ledger.Decisions("b1").Should().ContainSingle().Which.Should().Match<DecisionRecord>(one => one.Inputs == "" && one.Text == "why");
    }

    private static ParkedRecord Record(int i) =>
        new()
        {
            ApiVersion = "batch/v1",
            Kind = "Job",
            Namespace = "ns",
            Name = $"train-{i}",
            Uid = $"job-{i}",
            Field = "/spec/suspend",
            Original = "false",
            Value = "true",
            Since = Start.AddSeconds(i),
            Reason = Reasons.DoesNotFit,
            Budget = "nlp",
            BudgetUid = "b1",
            Class = WorkClass.Training,
            Labels = new Dictionary<string, string?> { ["team"] = "nlp" },
            Cause = ParkedCauseLike,
        };

    /// <summary>As long as they are.</summary>
    private static readonly string ParkedCauseLike =
        "{\"since\":\"2026-11-02T08:00:00Z\",\"reason\":\"DoesNotFit\",\"windowKey\":\"2026-11\",\"limit\":\"500.000000\",\"spent\":\"123.456789\",\"confirmed\":true}";
}
