namespace Bursar.Core.Forecast;

/// <summary>One progress report of a job, such as <c>1200</c> of <c>30000</c> steps.</summary>
public readonly record struct ProgressPoint(DateTimeOffset At, long Step, long? Total);

/// <summary>
/// The last progress reports of one job, oldest first. A lower step (a restart from a checkpoint) starts the series again; the previous run
/// is kept until the new one has a step time of its own. Reports that repeat the last step are no points, because only movement measures
/// step time.
/// </summary>
public sealed record ProgressSeries
{
    /// <summary>Enough for a robust step time over some minutes, and small enough to be stored with a decision.</summary>
    public const int MaxPoints = 32;

    /// <summary>
    /// The number of last stretches that are kept unchanged. Older ones are thinned to about equal steps over the whole run.
    /// </summary>
    public const int Recent = 16;

    public static readonly ProgressSeries Empty = new();

    public IReadOnlyList<ProgressPoint> Points { get; set; } = [];

    /// <summary>The points of the previous run, if they show a step time.</summary>
    public IReadOnlyList<ProgressPoint> Earlier { get; set; } = [];

    public ProgressPoint? Last => Points.Count == 0 ? null : Points[^1];

    /// <summary>
    /// Returns at most <paramref name="count"/> points including the first and the last, which is enough to restore the step time.
    /// </summary>
    public ProgressSeries Thinned(int count)
    {
        if (Points.Count <= count)
            return this;
        var kept = new ProgressPoint[count];
        for (var i = 0; i < count; i++)
            kept[i] = Points[i * (Points.Count - 1) / (count - 1)];
        return this with { Points = kept };
    }

    /// <summary>Returns the series without reports after a time.</summary>
    public ProgressSeries UpTo(DateTimeOffset at)
    {
        var points = Points.TakeWhile(point => point.At <= at).ToArray();
        return points.Length is 0 || points.Length == Points.Count ? this : this with { Points = points };
    }

    /// <summary>Returns the series with one more report, or itself if the report adds nothing.</summary>
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
    /// Returns the older point that leaves the smallest gap. The first two stay, because the warm-up between them must not be mixed with
    /// the rest.
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
