namespace Bursar.Agent.Scrape;

/// <summary>A counter of one engine of a server (a data-parallel rank, a replica behind Ray) for one model.</summary>
public readonly record struct EngineCount(ServingFigure Figure, string Model, string Engine, long Count);

/// <summary>The cumulative figures of a page.</summary>
public enum ServingFigure
{
    Prompt,
    Cached,
    Generated,
    Requests,
}

/// <summary>
/// Keeps a server's sums from decreasing when one engine of several restarts or disappears. The operator treats a decrease as a restart
/// of the whole server and would count the other engines' tokens twice. If all engines of a figure restart, it is one, and the page's
/// own sum is passed on. Safe for concurrent use.
/// <code>
/// engines   a 1000  b 500  ->  a 3    b 520  ->  a 10  b gone  ->  a 2  b gone
/// sum       1500               1523              1530              2
/// </code>
/// </summary>
public sealed class EngineSums
{
    /// <summary>Above this number, engines that disappeared are merged into one entry.</summary>
    private const int MaxKept = 512;

    private const string Retired = "";

    private readonly Lock _gate = new();
    private readonly Dictionary<(ServingFigure Figure, string Model), Dictionary<string, Engine>> _known = [];

    /// <summary>Returns the page's tokens plus the counts of its engines before their restarts.</summary>
    public IReadOnlyList<ModelTokens> Add(ScrapeResult page)
    {
        lock (_gate)
        {
            foreach (var group in page.Engines.GroupBy(engine => (engine.Figure, engine.Model)))
                Record_NeedsLock(group.Key, group);
            return
            [
                .. page.Tokens.Select(model =>
                    model with
                    {
                        Prompt = model.Prompt + Missing_NeedsLock(ServingFigure.Prompt, model.Model),
                        Cached = model.Cached + Missing_NeedsLock(ServingFigure.Cached, model.Model),
                        Generated = model.Generated + Missing_NeedsLock(ServingFigure.Generated, model.Model),
                        Requests = model.Requests + Missing_NeedsLock(ServingFigure.Requests, model.Model),
                    }
                ),
            ];
        }
    }

    private void Record_NeedsLock((ServingFigure, string) figure, IEnumerable<EngineCount> counts)
    {
        var now = counts.ToDictionary(count => count.Engine, count => count.Count, StringComparer.Ordinal);
        if (!_known.TryGetValue(figure, out var engines))
            _known.Add(figure, engines = new(StringComparer.Ordinal));
        // Only an engine that had a count and did not decrease proves that the server still runs. A new name does not, because the figure
        // may be read from another metric.
        if (!engines.Any(engine => engine.Value.Last > 0 && now.GetValueOrDefault(engine.Key, -1) >= engine.Value.Last))
            engines.Clear();
        foreach (string gone in engines.Keys.Where(name => !now.ContainsKey(name)).ToArray())
            engines[gone] = engines[gone] with { Shown = false };
        foreach (var (name, count) in now)
        {
            var engine = engines.GetValueOrDefault(name);
            engines[name] = new(count < engine.Last ? engine.Before + engine.Last : engine.Before, count, true);
        }
        if (engines.Count <= MaxKept)
            return;
        long retired = 0;
        foreach (string gone in engines.Keys.Where(name => !now.ContainsKey(name)).ToArray())
        {
            retired += engines[gone].Before + engines[gone].Last;
            engines.Remove(gone);
        }
        engines[Retired] = new(retired, 0, true);
    }

    private long Missing_NeedsLock(ServingFigure figure, string model) =>
        _known.TryGetValue((figure, model), out var engines)
            ? engines.Values.Sum(engine => engine.Before + (engine.Shown ? 0 : engine.Last))
            : 0;

    /// <param name="Before">The sum of its counts before restarts.</param>
    /// <param name="Last">Its latest count.</param>
    /// <param name="Shown">The latest page contained it.</param>
    private readonly record struct Engine(long Before, long Last, bool Shown);
}
