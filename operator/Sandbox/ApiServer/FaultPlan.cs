using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.ApiServer;

/// <summary>What a fault does to a request it meets.</summary>
public abstract record Fault
{
    private Fault() { }

    /// <summary>Answers with a Status of this code (409, 429 with Retry-After, 500, 503 ...); the request is not carried out.</summary>
    public sealed record Answer(int Code, int RetryAfterSeconds = 1) : Fault;

    /// <summary>Carries the request out and then answers with this code: the client does not know whether it happened.</summary>
    public sealed record AnswerAfter(int Code) : Fault;

    /// <summary>Lets virtual or real time pass before the request is carried out.</summary>
    public sealed record Delay(TimeSpan By) : Fault;

    /// <summary>Breaks a watch off after so many lines.</summary>
    public sealed record CutWatch(int AfterLines = 0) : Fault;

    /// <summary>Ends a watch with the ERROR event of an expired version.</summary>
    public sealed record ExpireWatch : Fault;
}

/// <summary>
/// One rule: which requests it meets and what it does to them. It ends after <see cref="Times"/> hits, and meets each
/// request with <see cref="Probability"/>. Empty texts match everything; <see cref="PathPart"/> is looked for in the path.
/// </summary>
public sealed record FaultRule(Fault Fault)
{
    public string Verb { get; init; } = "";

    public string Resource { get; init; } = "";

    public string PathPart { get; init; } = "";

    /// <summary>Looked for in the client's User-Agent, so that one client alone can be cut off.</summary>
    public string Client { get; init; } = "";

    /// <summary>Added once this rule was hit: what follows the first fault.</summary>
    public FaultRule? Then { get; init; }

    public int Times { get; init; } = int.MaxValue;

    public double Probability { get; init; } = 1;
}

/// <summary>The faults a server is to show, changeable while it runs. Chance comes from the seeded source it is given.</summary>
public sealed class FaultPlan(Random random)
{
    private readonly Lock _gate = new();
    private readonly List<(FaultRule Rule, int Left)> _rules = [];
    private long _shown;

    public FaultPlan()
        : this(new Random(0)) { }

    /// <summary>How many requests met a fault.</summary>
    public long Shown => Interlocked.Read(ref _shown);

    public void Add(FaultRule rule)
    {
        lock (_gate)
        {
            _rules.Add((rule, rule.Times));
        }
    }

    public void Clear()
    {
        lock (_gate)
        {
            _rules.Clear();
        }
    }

    /// <summary>Raised with a part of a user agent whose open watches are to be cut at once.</summary>
    public event Action<string>? WatchesCut;

    /// <summary>Cuts every open watch now, or those of the clients whose user agent contains this.</summary>
    public void CutWatches(string client = "") => WatchesCut?.Invoke(client);

    internal Fault? Next(string verb, string resource, string path, string client)
    {
        lock (_gate)
        {
            for (var i = 0; i < _rules.Count; i++)
            {
                var (rule, left) = _rules[i];
                var watchFault = rule.Fault is Fault.CutWatch or Fault.ExpireWatch;
                // A watch has no end to be answered after.
                if (
                    (watchFault && verb != "watch")
                    || (rule.Fault is Fault.AnswerAfter && verb == "watch")
                    || (rule.Verb.Length > 0 && rule.Verb != verb)
                    || (rule.Resource.Length > 0 && rule.Resource != resource)
                    || (rule.PathPart.Length > 0 && !path.Contains(rule.PathPart, StringComparison.Ordinal))
                    || (rule.Client.Length > 0 && !client.Contains(rule.Client, StringComparison.Ordinal))
                    || (rule.Probability < 1 && random.NextDouble() >= rule.Probability)
                )
                {
                    continue;
                }

                if (left <= 1)
                {
                    _rules.RemoveAt(i);
                }
                else
                {
                    _rules[i] = (rule, left - 1);
                }

                if (rule.Then is { } then)
                {
                    _rules.Add((then, then.Times));
                }

                Interlocked.Increment(ref _shown);
                return rule.Fault;
            }
        }

        return null;
    }

    internal static ApiError ToError(int code, int retryAfterSeconds, RequestInfo? info) =>
        code switch
        {
            409 => ApiError.Modified(info?.Group ?? "", info?.Resource ?? "", info?.Name ?? ""),
            410 => ApiError.Expired("The resourceVersion for the provided list is too old."),
            429 => ApiError.TooManyRequests(retryAfterSeconds),
            503 => ApiError.Unavailable(retryAfterSeconds),
            504 => new ApiError(504, "Timeout", "Timeout: request did not complete within the allotted timeout"),
            _ => new ApiError(code, "InternalError", "Internal error occurred: a fault was asked for"),
        };
}
