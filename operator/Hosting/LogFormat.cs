namespace Bursar.Hosting;

/// <summary><c>--log-format</c>: how a log entry is written.</summary>
public enum LogFormat
{
    /// <summary>One JSON object a line.</summary>
    Json,

    /// <summary>One line for people.</summary>
    Text,
}
