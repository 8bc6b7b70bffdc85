namespace Bursar.Core.Forecast;

/// <summary>One report of how far a job has come: <c>1200</c> steps of <c>30000</c>, seen at a moment.</summary>
public readonly record struct ProgressPoint(DateTimeOffset At, long Step, long? Total);

/// <summary>
/// The last reports of one job's progress, oldest first. A step that goes back (a restart from a checkpoint) starts the
/// series anew; the run before is kept until the new one can tell its own step time. Reports that repeat the last step are
/// not points: only movement measures a step's time.
/// </summary>
public sealed record ProgressSeries
{
    /// <summary>Enough for a robust step time over some minutes, and small enough to be stored with a decision.</summary>
    public const int MaxPoints = 32;

    /// <summary>
    /// The last stretches, which are kept as they came; what is older is thinned to about equal steps over the whole run.
    /// </summary>
    public const int Recent = 16;

    public static readonly ProgressSeries Empty = new();

    public IReadOnlyList<ProgressPoint> Points { get; set; } = [];

    /// <summary>The points of the run before, where they told a step time.</summary>
    public IReadOnlyList<ProgressPoint> Earlier { get; set; } = [];

    public ProgressPoint? Last => Points.Count == 0 ? null : Points[^1];

    /// <summary>At most <paramref name="count"/> points, first and last among them: enough to know the step time again.</summary>
    public ProgressSeries Thinned(int count)
    {
        if (Points.Count <= count)
            return this;
        var kept = new ProgressPoint[count];
        for (var i = 0; i < count; i++)
            kept[i] = Points[i * (Points.Count - 1) / (count - 1)];
        return this with { Points = kept };
    }

    /// <summary>As it was told by a moment; what came later is left out.</summary>
    public ProgressSeries UpTo(DateTimeOffset at)
    {
        var points = Points.TakeWhile(point => point.At <= at).ToArray();
        return points.Length is 0 || points.Length == Points.Count ? this : this with { Points = points };
    }

    /// <summary>The series with one more report; returns itself when the report says nothing new.</summary>
    public ProgressSeries With(ProgressPoint point)
    {
        if (point.Step < 0 || Last is { } last && point.At <= last.At)
            return this;
        if (Last is not { } latest || point.Step < latest.Step)
            return new() { Points = [point], Earlier = Points.Count >= 3 ? Points : Earlier };
        if (point.Step == latest.Step)
            return point.Total == latest.Total || point.Total is null
                ? this
                : this with
                {
                    Points = [.. Points.Take(Points.Count - 1), latest with { Total = point.Total }],
                };

        var points = new List<ProgressPoint>(Points) { point };
        if (points.Count > MaxPoints)
            points.RemoveAt(Thinnest(points));
        return this with { Points = points };
    }

    /// <summary>
    /// The older point that leaves the smallest gap. The first two stay: between them lies the warm-up, which must not be
    /// mixed with what came after it.
    /// </summary>
    private static int Thinnest(List<ProgressPoint> points)
    {
        var thinnest = 2;
        for (var i = 3; i < points.Count - 1 - Recent; i++)
            if (points[i + 1].Step - points[i - 1].Step < points[thinnest + 1].Step - points[thinnest - 1].Step)
                thinnest = i;
        return thinnest;
    }
}
