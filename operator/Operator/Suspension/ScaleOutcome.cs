namespace Bursar.Operator.Suspension;

public enum ScaleResult
{
    Done,

    /// <summary>It stood so already.</summary>
    AlreadySo,

    /// <summary>Somebody else changed it since it was read: nothing was written.</summary>
    ChangedByOther,

    /// <summary>The object is gone, or another one has its name.</summary>
    Gone,

    /// <summary>It may not be written, or whoever holds it must not be crossed: <see cref="ScaleOutcome.Text"/> says why.</summary>
    Refused,
}

/// <summary>What came of a write.</summary>
/// <param name="Text">For people, where there is more to say.</param>
public sealed record ScaleOutcome(ScaleResult Result, string? Text = null)
{
    public static readonly ScaleOutcome Done = new(ScaleResult.Done);
    public static readonly ScaleOutcome AlreadySo = new(ScaleResult.AlreadySo);
    public static readonly ScaleOutcome Gone = new(ScaleResult.Gone);

    public static ScaleOutcome ChangedByOther(string text) => new(ScaleResult.ChangedByOther, text);

    public static ScaleOutcome Refused(string text) => new(ScaleResult.Refused, text);
}
