using System.Globalization;

namespace Bursar.Core.Usage;

/// <summary>A position in an agent's journal, written <c>&lt;epoch&gt;:&lt;seq&gt;</c>, such as <c>9f1c02d4a7e35b60:1204</c>.</summary>
public sealed record JournalCursor(string Epoch, long Seq)
{
    public static JournalCursor? TryParse(string text)
    {
        int colon = text.LastIndexOf(':');
        return colon > 0 && long.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out long seq)
            ? new JournalCursor(text[..colon], seq)
            : null;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Epoch}:{Seq}");
}
