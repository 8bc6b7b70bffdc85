using Bursar.Core.Ledger;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>
/// What scalers changed of other people's objects: no object of the ledger outgrows its room, and nothing is forgotten by a death.
/// </summary>
public sealed class ScaledRecordTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 22, 8, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(1)]
    [InlineData(3000)]
    public void However_much_is_changed_no_shard_outgrows_its_object_and_all_of_it_comes_back(int count)
    {
        var stored = new Dictionary<string, string>();
        var ledger = new GpuLedger();
        for (var i = 0; i < count; i++)
            ledger.NoteScaled(Record(i, "3")).Should().BeTrue();
        ledger
            .DirtyScaledShards("ns")
            .Should()
            .NotBeEmpty()
            .And.OnlyContain(shard =>
                shard.Kind == LedgerShard.ScaledKind && shard.Name.StartsWith("scaled.ns-", StringComparison.Ordinal)
            );
        LedgerWorld.Write(ledger, stored);
        stored.Values.Should().OnlyContain(shard => shard.Length < GpuLedger.MaxShardBytes);

        ledger = LedgerWorld.Read(stored.Values);
        ledger.Scaled().Should().HaveCount(count);
        ledger.ScaledBy("ns", $"scaler-{count - 1}", $"object-{count - 1}").Should().BeEquivalentTo(Record(count - 1, "3"));
        ledger.NoteScaled(Record(count - 1, "3")).Should().BeFalse("it stands so, in whichever shard");
        ledger.IsDirty.Should().BeFalse();

        // Another value takes the place of the former, in the same object.
        ledger.NoteScaled(Record(0, "2")).Should().BeTrue();
        ledger.DirtyScaledShards("ns").Should().ContainSingle();
        ledger.Scaled().Should().HaveCount(count);

        for (var i = 0; i < count; i++)
            ledger.DropScaled("ns", $"scaler-{i}", $"object-{i}").Should().BeTrue();
        ledger.DropScaled("ns", "scaler-0", "object-0").Should().BeFalse();
        LedgerWorld.Write(ledger, stored);
        stored.Should().BeEmpty();
        ledger.NoteScaled(Record(0, "2")).Should().BeTrue("the namespace begins anew");
    }

    [Fact]
    public void What_was_written_last_is_what_comes_back_wherever_a_write_failed() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
            {
                var random = new Random(seed);
                var stored = new Dictionary<string, string>();
                var ledger = new GpuLedger();
                // What is known to be stored, by scaler and object.
                var written = new Dictionary<(string, string), string>();
                for (var step = 0; step < 60; step++)
                {
                    var (i, value) = (random.Next(6), random.Next(1, 9).ToString());
                    var record = Record(i, value) with { Namespace = i % 2 == 0 ? "ns" : "other" };
                    if (random.Next(3) == 0)
                        ledger.DropScaled(record.Namespace, record.ScalerUid, record.Target.Uid);
                    else
                        ledger.NoteScaled(record);
                    if (random.Next(2) == 0)
                        continue;
                    var failing = random.Next(3) == 0;
                    LedgerWorld.Write(ledger, stored, failing ? _ => random.Next(2) == 0 : null);
                    if (failing)
                    {
                        // The process dies: what its last whole write held is there at least as far as it was not overwritten.
                        ledger = LedgerWorld.Read(stored.Values);
                        written = ledger.Scaled().ToDictionary(one => (one.ScalerUid, one.Target.Uid), one => one.Fields[0].Value);
                        continue;
                    }
                    written = ledger.Scaled().ToDictionary(one => (one.ScalerUid, one.Target.Uid), one => one.Fields[0].Value);
                    LedgerWorld
                        .Read(stored.Values)
                        .Scaled()
                        .ToDictionary(one => (one.ScalerUid, one.Target.Uid), one => one.Fields[0].Value)
                        .Should()
                        .BeEquivalentTo(written);
                }
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void A_record_that_stands_in_two_objects_is_the_later_one_and_the_other_is_written_without_it()
    {
        var (older, later) = (new GpuLedger(), new GpuLedger());
        older.NoteScaled(Record(0, "3"));
        later.NoteScaled(Record(0, "2") with { Since = Start.AddHours(1) });
        var (one, two) = (older.DirtyScaledShards("ns")[0], later.DirtyScaledShards("ns")[0] with { Name = "scaled.ns-1", Index = 1 });
        foreach (
            var order in (LedgerShard[][])
                [
                    [one, two],
                    [two, one],
                ]
        )
        {
            var loaded = GpuLedger.Load(order);
            loaded.Scaled().Should().ContainSingle().Which.Fields[0].Value.Should().Be("2");
            loaded.DirtyScaledShards("ns").Should().ContainSingle().Which.Name.Should().Be(one.Name);
        }
    }

    [Fact]
    public void A_scalers_records_are_found_by_it_and_by_what_it_changed()
    {
        var ledger = new GpuLedger();
        ledger.NoteScaled(Record(0, "3"));
        ledger.NoteScaled(Record(0, "3") with { Target = Record(1, "3").Target, Since = Start.AddMinutes(1) });
        ledger.NoteScaled(Record(2, "3") with { Target = Record(0, "3").Target, Since = Start.AddMinutes(2) });

        ledger.ScaledBy("ns", "scaler-0").Select(one => one.Target.Uid).Should().Equal("object-0", "object-1");
        ledger.ScaledOn("ns", "object-0").Select(one => one.ScalerUid).Should().Equal("scaler-0", "scaler-2");
        ledger.ScaledBy("other", "scaler-0").Should().BeEmpty();
        ledger.ScaledBy("ns", "scaler-1", "object-1").Should().BeNull();
    }

    [Theory]
    [InlineData("3", "10", "3", null, true)]
    [InlineData("10", "10", "3", null, false)]
    [InlineData("7", "10", "3", null, false)]
    // Between the record and the write it still holds what was written before.
    [InlineData("5", "10", "3", "5", true)]
    // Nothing of Bursar's was there before its first write.
    [InlineData("10", "10", "3", "10", false)]
    public void What_stands_there_is_Bursars_doing_or_not(string present, string original, string value, string? before, bool ours) =>
        new ScaledField("/spec/maxReplicas", original, value, before).IsOurs(present).Should().Be(ours);

    private static ScaledRecord Record(int i, string value) =>
        new()
        {
            Namespace = "ns",
            ScalerName = $"chat-{i}",
            ScalerUid = $"scaler-{i}",
            Target = new("keda.sh/v1alpha1", "ScaledObject", $"chat-{i}", $"object-{i}"),
            Fields = [new("/spec/maxReplicaCount", "null", value, "10")],
            Since = Start.AddSeconds(i),
        };
}
