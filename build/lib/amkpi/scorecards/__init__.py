"""What leadership reads: scorecards as mails and PDFs, who gets which, and what was sent to whom.

Data flows one way: the published marts (`facts`) and the sending history (`mail/history`) → one frozen `Scorecard` for
each reader (`compose/`: every figure and text is chosen there) → HTML, text, PDF and XLSX (`render/`) → a message
(`mail/messages`) → a folder (`mail/outbox`) or an SMTP server (`mail/delivery`).
"""
