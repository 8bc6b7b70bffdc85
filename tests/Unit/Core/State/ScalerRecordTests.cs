using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.State;

/// <summary>
/// Fields that scalers changed on objects of users: ledger objects stay within their size limit, and a crash loses no record.
/// </summary>
public sealed class ScalerRecordTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 22, 8, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(1)]
    [InlineData(3000)]
    public void Scaler_records_of_any_number_fit_their_shards(int count)
    {
        var stored = new Dictionary<string, string>();
        var state = new OperatorState();
        for (var i = 0; i < count; i++)
            state.RecordScaled(Record(i, "3")).Should().BeTrue();
        state
            .DirtyScaledShards("ns")
            .Should()
            .NotBeEmpty()
            .And.OnlyContain(shard =>
                shard.Kind == LedgerShard.ScaledKind && shard.Name.StartsWith("scaled.ns-", StringComparison.Ordinal)
            );
        LedgerWorld.Write(state, stored);
        stored.Values.Should().OnlyContain(shard => shard.Length < GpuLedger.MaxShardBytes);

        state = LedgerWorld.ReadState(stored.Values);
        state.Scaled().Should().HaveCount(count);
        state.ScaledBy("ns", $"scaler-{count - 1}", $"object-{count - 1}").Should().BeEquivalentTo(Record(count - 1, "3"));
        state.RecordScaled(Record(count - 1, "3")).Should().BeFalse("the record is already stored in some shard");
        state.IsDirty.Should().BeFalse();

        // A new value replaces the old one in the same object.
        state.RecordScaled(Record(0, "2")).Should().BeTrue();
        state.DirtyScaledShards("ns").Should().ContainSingle();
        state.Scaled().Should().HaveCount(count);

        for (var i = 0; i < count; i++)
            state.DropScaled("ns", $"scaler-{i}", $"object-{i}").Should().BeTrue();
        state.DropScaled("ns", "scaler-0", "object-0").Should().BeFalse();
        LedgerWorld.Write(state, stored);
        stored.Should().BeEmpty();
        state.RecordScaled(Record(0, "2")).Should().BeTrue("the namespace has no records left");
    }

    [Fact]
    public void Last_written_record_is_read_back_after_failed_writes() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
            {
                var random = new Random(seed);
                var stored = new Dictionary<string, string>();
                var state = new OperatorState();
                // The values that are certainly stored, by scaler and object.
                var written = new Dictionary<(string, string), string>();
                for (var step = 0; step < 60; step++)
                {
                    var (i, value) = (random.Next(6), random.Next(1, 9).ToString());
                    var record = Record(i, value) with { Namespace = i % 2 == 0 ? "ns" : "other" };
                    if (random.Next(3) == 0)
                        state.DropScaled(record.Namespace, record.ScalerUid, record.Target.Uid);
                    else
                        state.RecordScaled(record);
                    if (random.Next(2) == 0)
                        continue;
                    var failing = random.Next(3) == 0;
                    LedgerWorld.Write(state, stored, failing ? _ => random.Next(2) == 0 : null);
                    if (failing)
                    {
                        // After a crash, values of the last complete write are there unless a later write replaced them.
                        state = LedgerWorld.ReadState(stored.Values);
                        written = state.Scaled().ToDictionary(one => (one.ScalerUid, one.Target.Uid), one => one.Fields[0].Value);
                        continue;
                    }
                    written = state.Scaled().ToDictionary(one => (one.ScalerUid, one.Target.Uid), one => one.Fields[0].Value);
                    LedgerWorld
                        .ReadState(stored.Values)
                        .Scaled()
                        .ToDictionary(one => (one.ScalerUid, one.Target.Uid), one => one.Fields[0].Value)
                        .Should()
                        .BeEquivalentTo(written);
                }
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Record_in_two_objects_is_read_from_the_later_one()
    {
        var (older, later) = (new OperatorState(), new OperatorState());
        older.RecordScaled(Record(0, "3"));
        later.RecordScaled(Record(0, "2") with { Since = Start.AddHours(1) });
        var (one, two) = (older.DirtyScaledShards("ns")[0], later.DirtyScaledShards("ns")[0] with { Name = "scaled.ns-1", Index = 1 });
        foreach (
            var order in (LedgerShard[][])
                [
                    [one, two],
                    [two, one],
                ]
        )
        {
            var loaded = OperatorState.Load(order);
            loaded.Scaled().Should().ContainSingle().Which.Fields[0].Value.Should().Be("2");
            loaded.DirtyScaledShards("ns").Should().ContainSingle().Which.Name.Should().Be(one.Name);
        }
    }

    [Fact]
    public void Record_is_found_by_its_scaler_and_by_the_changed_object()
    {
        var state = new OperatorState();
        state.RecordScaled(Record(0, "3"));
        state.RecordScaled(Record(0, "3") with { Fields = Record(1, "3").Fields, Since = Start.AddMinutes(1) });
        state.RecordScaled(Record(2, "3") with { Fields = Record(0, "3").Fields, Since = Start.AddMinutes(2) });

        state.Scaled().Where(one => one.ScalerUid == "scaler-0").Select(one => one.Target.Uid).Should().Equal("object-0", "object-1");
        state.ScaledOn("ns", "object-0").Select(one => one.ScalerUid).Should().Equal("scaler-0", "scaler-2");
        state.ScaledOn("other", "object-0").Should().BeEmpty();
        state.ScaledBy("ns", "scaler-1", "object-1").Should().BeNull();
    }

    [Theory]
    [InlineData("3", "10", "3", null, true)]
    [InlineData("10", "10", "3", null, false)]
    [InlineData("7", "10", "3", null, false)]
    // Between the record and the write, the field still has its previous value.
    [InlineData("5", "10", "3", "5", true)]
    // Before its first write, the field has no value of Bursar.
    [InlineData("10", "10", "3", "10", false)]
    public void Present_value_shows_whether_Bursar_wrote_it(string present, string original, string value, string? before, bool ours) =>
        new FieldOverride(new("autoscaling/v2", "HorizontalPodAutoscaler", "chat", "object"), "/spec/maxReplicas", original, value, before)
            .IsOurs(present)
            .Should()
            .Be(ours);

    private static ScalerRecord Record(int i, string value) =>
        new()
        {
            Namespace = "ns",
            ScalerName = $"chat-{i}",
            ScalerUid = $"scaler-{i}",
            Fields =
            [
                new(new("keda.sh/v1alpha1", "ScaledObject", $"chat-{i}", $"object-{i}"), "/spec/maxReplicaCount", "null", value, "10"),
            ],
            Since = Start.AddSeconds(i),
        };
}
