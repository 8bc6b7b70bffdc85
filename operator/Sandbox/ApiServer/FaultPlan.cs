using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.ApiServer;

/// <summary>The effect of a fault on a request.</summary>
public abstract record Fault
{
    private Fault() { }

    /// <summary>Returns a Status with this code (409, 429 with Retry-After, 500, 503 ...) and does not execute the request.</summary>
    public sealed record Answer(int Code, int RetryAfterSeconds = 1) : Fault;

    /// <summary>Executes the request and then returns this code, so that the client does not know whether it succeeded.</summary>
    public sealed record AnswerAfter(int Code) : Fault;

    /// <summary>Delays the request, in virtual or real time.</summary>
    public sealed record Delay(TimeSpan By) : Fault;

    /// <summary>Closes a watch after so many lines.</summary>
    public sealed record CutWatch(int AfterLines = 0) : Fault;

    /// <summary>Ends a watch with the ERROR event for an expired version (410).</summary>
    public sealed record ExpireWatch : Fault;
}

/// <summary>
/// A fault and the requests that it applies to. It ends after <see cref="Times"/> hits and applies with <see cref="Probability"/>. Empty
/// strings match everything; <see cref="PathPart"/> is a part of the path.
/// </summary>
public sealed record FaultRule(Fault Fault)
{
    public string Verb { get; init; } = "";

    public string Resource { get; init; } = "";

    public string PathPart { get; init; } = "";

    /// <summary>A part of the client's User-Agent, to select one client.</summary>
    public string Client { get; init; } = "";

    /// <summary>A rule that is added when this rule applies; null for none.</summary>
    public FaultRule? Then { get; init; }

    public int Times { get; init; } = int.MaxValue;

    public double Probability { get; init; } = 1;
}

/// <summary>The faults of a server. They can be changed while it runs. Safe for concurrent use.</summary>
public sealed class FaultPlan(Random random)
{
    private readonly Lock _gate = new();
    private readonly List<(FaultRule Rule, int Left)> _rules = [];
    private long _shown;

    public FaultPlan()
        : this(new Random(0)) { }

    /// <summary>The number of requests with a fault.</summary>
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

    /// <summary>Raised to close open watches at once, with a part of the clients' User-Agent.</summary>
    public event Action<string>? WatchesCut;

    /// <summary>Closes every open watch, or those of the clients whose User-Agent contains <paramref name="client"/>.</summary>
    public void CutWatches(string client = "") => WatchesCut?.Invoke(client);

    internal Fault? Next(string verb, string resource, string path, string client)
    {
        lock (_gate)
        {
            for (var i = 0; i < _rules.Count; i++)
            {
                var (rule, left) = _rules[i];
                var watchFault = rule.Fault is Fault.CutWatch or Fault.ExpireWatch;
                // AnswerAfter does not apply to watches, because they do not end.
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
