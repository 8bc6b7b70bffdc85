namespace Bursar.Agent.Scrape;

/// <summary>What one engine of a server (a data-parallel rank, a replica behind Ray) has counted of one figure for one model.</summary>
public readonly record struct EngineCount(ServingFigure Figure, string Model, string Engine, long Count);

/// <summary>The figures of a page that only grow.</summary>
public enum ServingFigure
{
    Prompt,
    Cached,
    Generated,
    Requests,
}

/// <summary>
/// Keeps a server's sums from falling when one engine of several begins anew or goes away: the operator takes a sum that falls for
/// the restart of the whole server, and would count the other engines' tokens twice. When all engines of a figure begin anew, it
/// is one, and the page's own sum is passed on.
/// <code>
/// engines   a 1000  b 500  ->  a 3    b 520  ->  a 10  b gone  ->  a 2  b gone
/// sum       1500               1523              1530              2
/// </code>
/// </summary>
public sealed class EngineSums
{
    /// <summary>Replicas come and go for months; those that are gone are then kept as one.</summary>
    private const int MaxKept = 512;

    private const string Retired = "";

    private readonly Lock _gate = new();
    private readonly Dictionary<(ServingFigure Figure, string Model), Dictionary<string, Engine>> _known = [];

    /// <summary>The page's tokens with what its engines had counted before they began anew.</summary>
    public IReadOnlyList<ModelTokens> Of(ScrapeResult page)
    {
        lock (_gate)
        {
            foreach (var group in page.Engines.GroupBy(engine => (engine.Figure, engine.Model)))
                Take_NeedsLock(group.Key, group);
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

    private void Take_NeedsLock((ServingFigure, string) figure, IEnumerable<EngineCount> counts)
    {
        var now = counts.ToDictionary(count => count.Engine, count => count.Count, StringComparer.Ordinal);
        if (!_known.TryGetValue(figure, out var engines))
            _known.Add(figure, engines = new(StringComparer.Ordinal));
        // An engine that had counted nothing cannot show that it went on. A name that is new (another way to read the figure) is no engine
        // that did.
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

    /// <param name="Before">What it had counted before it began anew.</param>
    /// <param name="Last">What it showed last.</param>
    /// <param name="Shown">The last page had it.</param>
    private readonly record struct Engine(long Before, long Last, bool Shown);
}
