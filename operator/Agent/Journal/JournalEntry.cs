using System.Text.Json.Serialization;
using Bursar.Core.Usage;

namespace Bursar.Agent.Journal;

/// <summary>A sequence number and exactly one of the four payloads, whose own <c>Seq</c> is set from it.</summary>
public sealed record JournalEntry
{
    public long Seq { get; init; }

    public UsageInterval? Interval { get; init; }

    public ProgressSample? Progress { get; init; }

    public TokenSample? Tokens { get; init; }

    public CheckpointSample? Checkpoint { get; init; }

    public static JournalEntry From(UsageInterval interval) => new() { Interval = interval };

    public static JournalEntry From(ProgressSample progress) => new() { Progress = progress };

    public static JournalEntry From(TokenSample tokens) => new() { Tokens = tokens };

    public static JournalEntry From(CheckpointSample checkpoint) => new() { Checkpoint = checkpoint };

    internal JournalEntry WithSeq(long seq) =>
        new()
        {
            Seq = seq,
            Interval = Interval is null ? null : Interval with { Seq = seq },
            Progress = Progress is null ? null : Progress with { Seq = seq },
            Tokens = Tokens is null ? null : Tokens with { Seq = seq },
            Checkpoint = Checkpoint is null ? null : Checkpoint with { Seq = seq },
        };
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(JournalEntry))]
internal sealed partial class JournalJson : JsonSerializerContext;
